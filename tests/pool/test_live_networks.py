"""Torch modules of this process as the model of a query."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from querist.core.errors import ConfigError
from querist.pool.pool import Pool
from querist.pool.query_errors import QueryFailed

torch = pytest.importorskip("torch")
nn = torch.nn
pytestmark = pytest.mark.torch
COUNT, SIDE = 40, 8


class Net(nn.Module):
    """Of small images; its sharpness is in no tensor."""

    def __init__(self, seed: int = 0, sharpness: float = 1.0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.last = nn.Linear(4, 3)
        self.sharpness = sharpness

    def forward(self, x: Any) -> Any:
        return self.sharpness * self.last(self.features(x).mean((2, 3)))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from PIL import Image

    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for number in range(COUNT):
        pixels = rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        Image.fromarray(pixels // (1 + number % 4)).save(folder / f"i{number:02}.png")
    return folder


@pytest.fixture
def pool(tmp_path: Path, images: Path):
    sized = {"transform": {"modality": "image", "size": SIDE}}
    with Pool.create(tmp_path / "pool", sized) as made:
        made.add(images)
        yield made


def pixels_of(images: Path) -> Any:
    from PIL import Image

    read = [np.asarray(Image.open(path)) for path in sorted(images.glob("*.png"))]
    return torch.tensor(np.stack(read)).permute(0, 3, 1, 2).float() / 255.0


def names_of(found: Any) -> list[str]:
    return [Path(pick.uri).stem for pick in found.picks]


def least_sure(probabilities: Any, count: int) -> list[str]:
    best = probabilities.max(dim=1).values
    return [f"i{n:02}" for n in torch.argsort(best)[:count].tolist()]


def test_it_sees_what_a_loop_of_its_own_would_show_it(pool: Pool, images: Path) -> None:
    net = Net()
    net.train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    found = pool.query(6, model=net, strategy="least-confidence")
    assert net.training  # it was left as it was
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    assert all(parameter.requires_grad for parameter in net.parameters())
    with torch.no_grad():
        wanted = torch.softmax(net.eval()(pixels_of(images)), dim=1)
    assert names_of(found) == least_sure(wanted, 6)


def test_it_is_normalised_as_is_said(pool: Pool, images: Path) -> None:
    net = Net().eval()
    normalise = {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.4]}
    settings = {"module": net, "normalise": normalise, "classes": ["a", "b", "c"]}
    found = pool.query(6, model=settings, strategy="least-confidence")
    mean, std = (torch.tensor(normalise[part]).view(1, 3, 1, 1) for part in ("mean", "std"))
    with torch.no_grad():
        wanted = torch.softmax(net((pixels_of(images) - mean) / std), dim=1)
    assert names_of(found) == least_sure(wanted, 6)


def test_probabilities_of_a_last_softmax_are_taken_as_such(pool: Pool) -> None:
    net = Net().eval()
    by_logits = pool.query(1.0, model=net, strategy="least-confidence")
    both = nn.Sequential(net, nn.Softmax(dim=1))
    by_odds = pool.query(1.0, model=both, strategy="least-confidence")
    assert by_odds.ids == by_logits.ids
    assert [p.score for p in by_odds.picks] == pytest.approx([p.score for p in by_logits.picks])


def test_several_are_a_committee(pool: Pool, images: Path) -> None:
    nets = [Net(seed).eval() for seed in range(3)]
    found = pool.query(6, model=nets, strategy="least-confidence")
    with torch.no_grad():
        shown = [torch.softmax(net(pixels_of(images)), dim=1) for net in nets]
    assert names_of(found) == least_sure(torch.stack(shown).mean(0), 6)
    assert len(pool.query(3, model=nets, strategy="bald").picks) == 3


def test_it_is_known_again_until_something_of_it_changes(pool: Pool) -> None:
    def inferred(net: Any) -> int:
        return int(pool.query(3, model=net, strategy="margin").counts["inferred"])

    net = Net()
    assert inferred(net) == COUNT
    assert inferred(net) == 0
    assert inferred(Net()) == 0  # another object of the same numbers
    net.sharpness = 2.0
    assert inferred(net) == COUNT
    with torch.no_grad():
        net.last.bias += 0.1
    assert inferred(net) == COUNT


def by_two(x: Any) -> Any:
    return 2.0 * x


class Held(Net):
    """Of what it multiplies by no state tells, and no plain setting."""

    def __init__(self, by: Any) -> None:
        super().__init__()
        self.by = by

    def forward(self, x: Any) -> Any:
        by = self.by[0] if isinstance(self.by, list) else self.by
        return by(super().forward(x)) if callable(by) else by * super().forward(x)


class Twice:
    """With a number of its own."""

    def __init__(self, number: float) -> None:
        self.number = number

    def __call__(self, x: Any) -> Any:
        return self.number * x


HELD = [
    (torch.tensor(1.0), torch.tensor(3.0)),
    (torch.tensor(1.0).bfloat16(), torch.tensor(3.0).bfloat16()),
    ([np.float64(1.0)], [np.float64(3.0)]),
    (Twice(1.0), Twice(3.0)),
    (by_two, torch.relu),
]


@pytest.mark.parametrize(("one", "other"), HELD)
def test_whatever_its_layers_hold_counts(pool: Pool, one: Any, other: Any) -> None:
    from querist.models.loaders.module import module_digest

    assert module_digest(Held(one)) == module_digest(Held(one)) != module_digest(Held(other))
    said = [pool.query(9, model=Held(each), strategy="margin") for each in (one, other)]
    assert said[1].counts["inferred"] == COUNT


def test_a_buffer_that_is_no_part_of_the_state_counts(pool: Pool) -> None:
    from querist.models.loaders.module import module_digest

    nets = [Net(), Net()]
    for number, net in enumerate(nets):
        net.register_buffer("scale", torch.tensor(float(number)), persistent=False)
    assert module_digest(nets[0]) != module_digest(nets[1])


def test_its_features_serve_strategies_of_embeddings(pool: Pool) -> None:
    assert len(pool.query(4, model=Net(), strategy="badge").picks) == 4
    assert len(pool.query(4, model=Net(), strategy="k-center").picks) == 4


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_told(pool: Pool) -> None:
    with pytest.raises(ConfigError, match="is asked for, but PyTorch"):
        pool.query(3, model=Net(), strategy="margin", engine={"device": "cuda:0"})


@pytest.mark.parametrize(
    "model, said",
    [
        ({"module": Net(), "normalize": {}}, "normalise"),
        ({"module": Net(), "weights": "w.safetensors"}, "has its weights"),
        ({"module": "net:build"}, "torch modules"),
        ([Net(), 3], "A model is settings"),
        (Net, "Net is a class of modules"),
        (nn.LazyLinear(2), "LazyLinear has lazy layers"),
        ({"use": "torch", "builder": lambda: Net()}, "settings are kept as JSON"),
    ],
)
def test_what_cannot_be_is_said(pool: Pool, model: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        pool.query(3, model=model, strategy="margin")


def test_the_size_of_images_is_not_guessed(tmp_path: Path, images: Path) -> None:
    with Pool.create(tmp_path / "unsized") as unsized:
        unsized.add(images)
        with pytest.raises(ConfigError, match="size that it was trained with"):
            unsized.query(3, model=Net(), strategy="margin")


def test_texts_are_no_arrays(tmp_path: Path) -> None:
    with Pool.create(tmp_path / "texts") as texts:
        texts.add_items([{"id": "t", "text": "a text"}])
        with pytest.raises(ConfigError, match="items are texts"):
            texts.query(1, model=Net(), strategy="margin")


def test_a_table_is_shown_as_the_transform_makes_it(tmp_path: Path) -> None:
    rows = [{"id": f"r{n}", "table": {"x": float(n), "y": 1.0 - n}} for n in range(9)]
    with Pool.create(tmp_path / "table") as table:
        table.add_items(rows)
        found = table.query(2, model=nn.Linear(2, 3), strategy="entropy")
    assert len(found.picks) == 2


class Shape(nn.Module):
    """Numbers of a row, as ``give`` makes scores of a layer's input and its output."""

    def __init__(self, give: Any, scores: int = 2) -> None:
        super().__init__()
        self.last, self.aside, self.give = nn.Linear(2, scores), nn.Linear(2, 3), give

    def forward(self, x: Any) -> Any:
        return self.give(x, self.last(input=x), self)


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Pool]:
    columns = {"a": "number", "b": "number"}
    with Pool.create(
        tmp_path / "table", {"transform": {"modality": "table", "columns": columns}}
    ) as made:
        rows = np.random.default_rng(0).normal(size=(COUNT, 2))
        made.add_items({"table": {"a": a, "b": b}} for a, b in rows.tolist())
        yield made


@pytest.mark.parametrize(
    ("give", "scores", "said"),
    [
        (lambda x, made, net: (made, x), 2, "Shape gives a tuple, not a tensor of scores"),
        (lambda x, made, net: {"logits": made}, 2, "gives a dict of logits"),
        (lambda x, made, net: made, 1, "a score a class, but this model gives one an item"),
        (lambda x, made, net: made.sigmoid()[:, 0], 1, "gives one an item"),
        (lambda x, made, net: made.softmax(-1), 2, "are probabilities already"),
    ],
)
def test_what_are_no_scores_of_classes_is_said(
    table: Pool, give: Any, scores: int, said: str
) -> None:
    with pytest.raises(QueryFailed, match=said):
        table.query(3, model=Shape(give, scores), strategy="entropy")


def test_members_of_other_classes_are_told(table: Pool) -> None:
    with pytest.raises(QueryFailed, match="members give scores of different shapes"):
        table.query(3, model=[nn.Linear(2, 2), nn.Linear(2, 3)], strategy="bald")


@pytest.mark.parametrize(
    "give",
    [
        lambda x, made, net: made,
        lambda x, made, net: (net.aside(10 * x), made)[1],
        lambda x, made, net: made + 0 * net.aside(x).sum(),
    ],
)
def test_features_are_those_of_the_layer_that_makes_the_scores(give: Any) -> None:
    from querist.models.loaders.module import of_modules

    x = np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)
    made = of_modules([Shape(give)], {}, 1).infer(x, frozenset({"embeddings"}))
    np.testing.assert_array_equal(made["embeddings"], x)


def recurrent() -> Any:
    net = Shape(lambda x, made, net: net.steps(x[:, None])[0][:, -1])
    net.steps = nn.LSTM(2, 3, batch_first=True)
    return net


def tapped() -> Any:
    net = nn.Sequential(nn.Linear(2, 2))
    net[0].register_forward_hook(lambda layer, args, made: 2 * made)
    return net


KINDS = {
    "LSTM": recurrent,
    "hook": tapped,
    "compiled": lambda: torch.compile(nn.Linear(2, 2), backend="eager"),
    "parametrised": lambda: nn.utils.parametrizations.weight_norm(nn.Linear(2, 2)),
    "parallel": lambda: nn.DataParallel(nn.Linear(2, 2)),
    "half": lambda: nn.Linear(2, 2).half(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_networks_of_all_kinds_are_known_again(table: Pool, kind: str) -> None:
    net = KINDS[kind]()
    assert table.query(3, model=net, strategy="entropy").counts["inferred"] == COUNT
    assert table.query(3, model=net, strategy="entropy").counts["inferred"] == 0


@pytest.mark.filterwarnings("ignore")  # torch says that these are old
def test_scripted_and_quantised_networks_are_run(table: Pool) -> None:
    net = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 2))
    picked = table.query(5, model=net, strategy="margin").ids
    assert table.query(5, model=torch.jit.script(net), strategy="margin").ids == picked
    small = torch.ao.quantization.quantize_dynamic(net, {nn.Linear})
    assert len(table.query(5, model=small, strategy="margin").picks) == 5
