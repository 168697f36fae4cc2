"""Tiny models in Hugging Face's format, made here, with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

WORDS = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "[MASK]",
    *["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m"],
]


def tokenizer(folder: Path) -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    made = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, "[UNK]"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=32,
    )
    fast.save_pretrained(folder)


def bert(folder: Path, seed: int, headless: bool = False) -> Path:
    config = transformers.BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
        num_labels=3,
        id2label={0: "bad", 1: "fair", 2: "good"},
        initializer_range=0.5,
    )
    kind = transformers.BertModel if headless else transformers.BertForSequenceClassification
    return saved(folder / f"bert-{seed}-{headless}", kind, config, seed, texts=True)


def vit(folder: Path, seed: int) -> Path:
    config = transformers.ViTConfig(
        image_size=8,
        patch_size=4,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        num_labels=3,
        initializer_range=0.5,
    )
    made = saved(folder / f"vit-{seed}", transformers.ViTForImageClassification, config, seed)
    told = {"do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.25] * 3}
    import json

    (made / "preprocessor_config.json").write_text(json.dumps({**told, "do_rescale": True}))
    return made


def saved(folder: Path, kind: Any, config: Any, seed: int, texts: bool = False) -> Path:
    torch.manual_seed(seed)
    kind(config).save_pretrained(folder)
    if texts:
        tokenizer(folder)
    return folder


def texts(rng: Any, count: int) -> list[str]:
    words = WORDS[5:]
    return [" ".join(rng.choice(words, rng.integers(1, 12))) for _ in range(count)]
