"""Every transform passes the contract suite."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest

from querist.testing.transforms import TRANSFORM_CHECKS, TransformCase

pil = pytest.importorskip("PIL.Image")
soundfile = pytest.importorskip("soundfile")


def image(kind: str, *size: int) -> bytes:
    out = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (*size, 3)).astype(np.uint8)
    pil.fromarray(pixels).save(out, kind)
    return out.getvalue()


def sound(kind: str, seconds: float, rate: int, channels: int = 1) -> bytes:
    out = io.BytesIO()
    shape = (int(seconds * rate), channels)
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, shape)
    soundfile.write(out, samples, rate, format=kind)
    return out.getvalue()


def row(**values) -> bytes:
    return json.dumps(values).encode()


IMAGES = [image("JPEG", 40, 60), image("PNG", 9, 9), image("WEBP", 100, 20), image("GIF", 8, 300)]
SOUNDS = [sound("WAV", 0.5, 8000), sound("FLAC", 2.0, 44_100, 2), sound("OGG", 0.3, 16_000)]
ROWS = [row(age=3, job="b"), row(age=None), row(age="4.5", job="none", more=[1]), b'[1, "a"]']

CASES = [
    TransformCase(
        "image",
        {"modality": "image", "size": [16, 24]},
        IMAGES,
        [b"", b"text", IMAGES[0][:200], IMAGES[1][:60], b"\xff\xd8\xff\xe0" + bytes(50)],
        {"resize": "pad"},
    ),
    TransformCase(
        "image-pad",
        {"modality": "image", "size": 20, "resize": "pad"},
        IMAGES,
        [b"x"],
        {"fill": 9},
    ),
    TransformCase(
        "text",
        {"modality": "text"},
        [b"", b"a", "\u00e4".encode()],
        [b"\xff"],
        {"strip": True},
    ),
    TransformCase(
        "table",
        {"modality": "table", "columns": {"age": "number", "job": ["a", "b"]}},
        ROWS,
        [b"", b"x", b"3", b"[1]", row(age="x"), row(age=1e999), row(age=[1]), b"[" * 100_000],
        {"columns": {"age": "number", "job": ["b", "a"]}},
    ),
    TransformCase(
        "audio",
        {"modality": "audio", "rate": 8000, "seconds": 0.5},
        SOUNDS,
        [b"", b"text", SOUNDS[1][:300], b"RIFF" + bytes(40)],
        {"quality": "QQ"},
    ),
]


@pytest.mark.parametrize("check", TRANSFORM_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_contract(check, case: TransformCase) -> None:
    check(case)
