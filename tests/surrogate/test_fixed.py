"""What never varied among the labels: another value there is simulated, whatever the model says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from querist import Batch, Surrogate
from querist.core.batch import Column
from querist.surrogate.errors import NoAnswer
from querist.surrogate.fixed import Fixed, fixed_of

STEEP = 1e6


def rate(x, pressure=1e-6):
    """Its second input is far smaller than one, and matters all the same."""
    return float(np.sin(3 * x) + STEEP * pressure)


def moved(inputs: Batch, **columns) -> list[bool]:
    return Fixed(fixed_of(inputs)).moved(Batch.stack(**columns)).tolist()


def taught(**told) -> Surrogate:
    surrogate = Surrogate(rate, tolerance=0.05, coverage=0.8, audit=0.01, **told)
    rng = np.random.default_rng(1)
    while surrogate.status()["threshold"] is None:
        surrogate.many(x=rng.uniform(size=20), pressure=np.full(20, 1e-6))
    return surrogate


def test_a_parameter_that_never_varied_is_simulated_where_it_does_and_then_learned(
    tmp_path,
) -> None:
    surrogate = taught(folder=tmp_path / "s")
    rng = np.random.default_rng(2)
    assert surrogate.many(x=rng.uniform(size=50), pressure=np.full(50, 1e-6)).share() > 0.8
    surrogate.close()
    with Surrogate.open(tmp_path / "s", rate) as again:
        answers = again.many(x=rng.uniform(size=50), pressure=np.full(50, 1.5e-6))
        assert answers.share("simulation") == 1.0
        for _ in range(12):
            pressure = rng.uniform(1e-6, 2e-6, size=25)
            answers = again.many(x=rng.uniform(size=25), pressure=pressure)
        assert answers.share() > 0.5


@pytest.mark.parametrize("suffix", [".safetensors", ".onnx"])
def test_an_export_does_not_trust_it_either(tmp_path: Path, suffix: str) -> None:
    if suffix == ".onnx":
        pytest.importorskip("onnx")
        pytest.importorskip("onnxruntime")
    surrogate, path = taught(), tmp_path / f"exported{suffix}"
    surrogate.export(path)
    x = np.linspace(0.0, 1.0, 50)
    threshold = surrogate.status()["threshold"]
    ours = surrogate._keeper.voice().say(Batch.stack(x=x, pressure=np.full(50, 1e-6)))
    with Surrogate.load(path) as alone:
        theirs = alone._keeper.voice().say(Batch.stack(x=x, pressure=np.full(50, 1e-6)))
        np.testing.assert_array_equal(theirs.score <= threshold, ours.score <= threshold)
        assert (ours.score <= threshold).mean() > 0.5
        with pytest.raises(NoAnswer):
            alone.many(x=x, pressure=np.full(50, 1.5e-6))
        said = alone._keeper.voice().say(Batch.stack(x=x, pressure=np.full(50, 1.5e-6)))
        assert np.isinf(said.score).all()


def test_numbers_of_an_array_are_looked_at_one_by_one() -> None:
    cells = np.array([[300.0, 1e-6, 0.0, 1.0], [300.0, 1e-6, 0.0, 2.0]])
    inputs = Batch.stack(cell=cells)
    assert moved(inputs, cell=[[300.0, 1e-6, 0.0, 7.0], [300.0, 1.1e-6, 0.0, 1.0]]) == [False, True]
    assert moved(inputs, cell=[[301.0, 1e-6, 0.0, 1.0], [300.0, 1e-6, 1e-3, 1.0]]) == [True, True]


def test_rounding_is_no_other_value() -> None:
    jitter = Batch.stack(x=np.array([[0.1 + 0.2, 0.0], [0.3, 1e-17]]))
    assert moved(jitter, x=[[0.3, -1e-17], [0.3 + 1e-12, 0.0]]) == [False, False]
    assert moved(jitter, x=[[0.3 + 1e-6, 0.0], [0.3, 0.1]]) == [True, True]
    assert moved(Batch.stack(n=np.zeros(3, int)), n=[0, 1]) == [False, True]


def test_texts_are_the_same_or_not() -> None:
    inputs = Batch.stack(kind=np.array(["wet", "wet"]), x=[1.0, 2.0])
    assert moved(inputs, kind=np.array(["wet", "dry", "w"]), x=[1.0, 1.0, 3.0]) == [
        False,
        True,
        True,
    ]


def test_what_has_nothing_in_common_or_another_shape_is_the_models_to_judge() -> None:
    assert fixed_of(Batch.stack(x=[1.0, 2.0], kind=np.array(["a", "b"]))) is None
    ragged = Batch({"x": Column.of([np.ones(2), np.ones(3)])})
    assert fixed_of(ragged) is None
    assert moved(Batch.stack(x=np.ones((3, 2))), x=np.zeros((1, 3))) == [False]
    assert moved(Batch.stack(x=np.ones((3, 2))), y=[0.0]) == [False]
    assert moved(Batch.stack(x=np.ones(3)), x=np.array(["one"])) == [False]


def test_nothing_is_refused_where_a_parameter_is_another() -> None:
    def picky(x, y):
        if x > 0.5 and y < 2.0:
            raise FloatingPointError("it diverged")
        return float(x)

    surrogate = Surrogate(picky, tolerance=0.1)
    rng = np.random.default_rng(0)
    for _ in range(20):
        surrogate.many(x=rng.uniform(size=25), y=np.ones(25))
    assert surrogate.many(x=np.full(40, 0.9), y=np.ones(40)).share("refused") > 0.5
    assert surrogate.many(x=np.full(40, 0.9), y=np.full(40, 2.0)).share("refused") == 0.0
