"""A model of one's own in a script: what it says when the script goes wrong, and what it keeps."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from querist.core.answers import Dataset
from querist.core.batch import Batch
from querist.core.errors import ConfigError, ContractError, RunError
from querist.core.roles import FitRequest, ModelState
from querist.models.external import External
from querist.models.external.side.querist_side import arrays_as_rows, pack, rows_as_arrays, unpack
from querist.testing.models import MODEL_CHECKS, ModelCase


@pytest.mark.slow
@pytest.mark.parametrize("check", MODEL_CHECKS, ids=lambda check: check.__name__)
def test_it_keeps_the_contract(check) -> None:
    check(ModelCase("External", lambda: External(RIDGE, members=3)))


RIDGE = str(Path(__file__).with_name("ridge.py"))


def data(count: int = 40) -> Dataset:
    x = np.random.default_rng(0).uniform(-1, 1, (count, 2))
    return Dataset(Batch.stack(x=x), Batch.stack(y=np.sin(x.sum(axis=1)), z=x**2))


def fitted(**options) -> tuple[External, ModelState]:
    model = External(RIDGE, members=2, **options)
    state = model.fit(data(), FitRequest(seed=1)).state
    model.load(state)
    return model, state


def test_it_learns_and_says_how_sure_it_is() -> None:
    model, state = fitted(python=sys.executable)
    found = model.predict(data().inputs)
    assert np.abs(found.mean["y"] - data().outputs["y"]).max() < 0.1
    assert found.mean["z"].shape == (40, 2)
    far = model.predict(Batch.stack(x=np.full((1, 2), 40.0)))
    assert far.std["y"][0] > 5.0 * found.std["y"].max()
    assert {name.partition("/")[2] for name in state.arrays} == {"about.json", "deep/weights.npy"}


def test_a_later_fit_is_shown_the_files_of_the_last() -> None:
    model, state = fitted()
    for restart, fits in ((False, b'"fits": 2'), (True, b'"fits": 1')):
        again = External(RIDGE, members=2, restart=restart)
        later = again.fit(data(), FitRequest(seed=2, previous=state)).state
        assert fits in later.arrays["m1/about.json"].tobytes()
    assert model.predict(data().inputs.take([0])).mean["y"].shape == (1,)


def test_members_are_fitted_apart_and_merged() -> None:
    parts = [
        External(RIDGE, members=2).fit(data(), FitRequest(seed=1, members=(n,))).state
        for n in range(2)
    ]
    with pytest.raises(RunError, match=r"\[1\] are missing; merge"):
        External(RIDGE, members=2).load(parts[0])
    model, _ = fitted()
    merged = External(RIDGE, members=2)
    merged.load(ModelState.merge(parts))
    for name in ("y", "z"):
        got, wanted = (m.predict(data().inputs).mean[name] for m in (merged, model))
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize(
    ("fail", "sentence"),
    [
        ("raise", r"could not fit: ValueError: no such functional"),
        ("die", r"(?s)ended with status 3\..*out of memory, said the driver"),
        ("write", "wrote no file"),
    ],
)
def test_a_script_that_fails_is_told(fail: str, sentence: str) -> None:
    with pytest.raises(RunError, match=sentence):
        External(RIDGE, members=1, options={"fail": fail}).fit(data(), FitRequest())


def test_a_fit_is_stopped_and_has_a_limit() -> None:
    model = External(RIDGE, members=1, options={"fail": "wait"})
    with pytest.raises(RunError, match="was stopped"):
        model.fit(data(), FitRequest(should_stop=lambda: True))
    model = External(RIDGE, members=1, options={"fail": "wait"}, timeout=0.5)
    with pytest.raises(RunError, match=r"gave no answer in 0\.5 s"):
        model.fit(data(), FitRequest())


def test_a_predictor_that_died_is_started_again() -> None:
    model, _ = fitted()
    good = model.predict(data().inputs).mean["y"]
    with pytest.raises(RunError, match="ended with status 9"):
        model.predict(Batch.stack(x=np.array([[np.nan, 0.0]])))
    np.testing.assert_array_equal(model.predict(data().inputs).mean["y"], good)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"no file 'nowhere\.py'"):
        External("nowhere.py")
    with pytest.raises(ConfigError, match="at least one member"):
        External(RIDGE, members=0)
    with pytest.raises(ContractError, match="no state yet"):
        External(RIDGE).predict(data().inputs)
    with pytest.raises(RunError, match="cannot be run by /nowhere/python"):
        External(RIDGE, python="/nowhere/python").fit(data(), FitRequest())
    _, state = fitted()
    evil = dict(state.arrays) | {"m0/../../out": np.zeros(1, np.uint8)}
    with pytest.raises(RunError, match="outside of its folder"):
        External(RIDGE, members=2).load(ModelState(evil, state.data))


def test_messages_keep_shapes_and_kinds() -> None:
    rows = [
        {"a": np.arange(6.0).reshape(2, 3), "b": np.int8(3), "c": np.array(["x", "yz"])},
        {"a": np.zeros((0, 3)), "b": np.int8(-1), "c": np.array(["", "w"])},
    ]
    body = pack({"do": "predict"}, rows_as_arrays(rows, "in:"))[8:]
    head, arrays = unpack(body)
    assert head == {"do": "predict"}
    for got, wanted in zip(arrays_as_rows(arrays, "in:", 2), rows, strict=True):
        for name, value in wanted.items():
            np.testing.assert_array_equal(got[name], value)
