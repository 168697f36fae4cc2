"""The contract of a model over a pool, as checks that any implementation must pass.

Put every implementation in the parameter list::

    @pytest.mark.parametrize("check", INFERENCE_CHECKS, ids=lambda check: check.__name__)
    @pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
    def test_contract(check, case):
        check(case)

A check that does not apply to an implementation passes at once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import QueristError
from querist.models.inferring import Inference
from querist.strategies.needs import NEEDS, Holds

Made = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class InferenceCase:
    """One implementation under test.

    Attributes:
        name: For the test's id.
        open: Opens the model with so many threads; each time the same one.
        batch: ``batch(rng, n)``: n items.
        provides: What it must provide, exactly.
        other: Opens a model that differs in its weights alone; None where there is none.
        wrong: A batch that the model cannot take; None where it takes any.
        tolerance: How far a row may differ when other rows are beside it.
        here: Whether it computes in this process, so that its threads can be counted.
    """

    name: str
    open: Callable[[int], Inference]
    batch: Callable[[np.random.Generator, int], Any]
    provides: frozenset[str]
    other: Callable[[], Inference] | None = None
    wrong: Callable[[], Any] | None = None
    tolerance: float = 2e-5
    here: bool = True

    def items(self, count: int = 11) -> Any:
        """A batch, the same each time."""
        return self.batch(np.random.default_rng(7), count)


def _same(got: Made, wanted: Made, tolerance: float) -> None:
    assert set(got) == set(wanted)
    for name in wanted:
        np.testing.assert_allclose(got[name], wanted[name], atol=tolerance, rtol=tolerance)


def _parts(model: Inference, batch: Any, size: int) -> dict[str, NDArray[Any]]:
    """What a model gives of a batch that it is given in parts."""
    starts = range(0, len(batch), size)
    made = [model.infer(batch[start : start + size], model.provides) for start in starts]
    return {name: np.concatenate([each[name] for each in made]) for name in model.provides}


def _chosen(batch: Any, rows: Sequence[int]) -> Any:
    return batch[np.asarray(rows)] if isinstance(batch, np.ndarray) else [batch[i] for i in rows]


def _refusal(call: Callable[[], object]) -> str:
    """The sentence with which a call is refused."""
    try:
        call()
    except QueristError as error:
        return str(error)
    raise AssertionError("was not refused")


def gives_what_it_declares(case: InferenceCase) -> None:
    """Everything it provides has the shape, and holds what, the table of needs says."""
    model = case.open(1)
    assert isinstance(model, Inference)
    assert model.provides == case.provides
    made = model.infer(case.items(), model.provides)
    for name, array in made.items():
        need = NEEDS[name]
        assert array.ndim in need.ndim, f"{name} has the shape {array.shape}, wanted {need.shape}"
        assert array.dtype in (np.float32, np.float64)
        assert np.isfinite(array).all()
        if need.holds is Holds.PROBABILITIES:
            assert array.min() >= 0.0
            np.testing.assert_allclose(array.sum(axis=-1), 1.0, atol=1e-5)
        if need.holds is Holds.SHARES:
            assert array.min() >= 0.0
            assert array.max() <= 1.0


def gives_only_what_is_wanted(case: InferenceCase) -> None:
    """A part of what it provides is the same as within the whole; nothing else comes with it."""
    model = case.open(1)
    batch = case.items()
    whole = model.infer(batch, model.provides)
    for name in sorted(model.provides):
        _same(model.infer(batch, frozenset({name})), {name: whole[name]}, case.tolerance)
    assert model.infer(batch, frozenset()) == {}


def refuses_what_it_does_not_provide(case: InferenceCase) -> None:
    """The sentence names what it provides."""
    model = case.open(1)
    said = _refusal(lambda: model.infer(case.items(2), frozenset({"prophecies"})))
    assert "prophecies" in said
    assert all(name in said for name in model.provides)


def rows_do_not_depend_on_their_batch(case: InferenceCase) -> None:
    """Batches of any size give the same rows."""
    model = case.open(1)
    batch = case.items(13)
    whole = model.infer(batch, model.provides)
    for size in (1, 2, 5):
        _same(_parts(model, batch, size), whole, case.tolerance)
    many = _chosen(batch, [i % 13 for i in range(300)])
    large = model.infer(many, model.provides)
    _same({name: array[:13] for name, array in large.items()}, whole, case.tolerance)


def keeps_the_order(case: InferenceCase) -> None:
    """The rows are those of the items."""
    model = case.open(2)
    batch, order = case.items(150), np.random.default_rng(1).permutation(150).tolist()
    whole = model.infer(batch, model.provides)
    mixed = model.infer(_chosen(batch, order), model.provides)
    _same(mixed, {name: array[order] for name, array in whole.items()}, case.tolerance)


def is_the_same_each_time(case: InferenceCase) -> None:
    """Called again, in another thread, or opened again, it gives the same."""
    model = case.open(1)
    batch = case.items()
    first = model.infer(batch, model.provides)
    _same(model.infer(batch, model.provides), first, 0.0 if case.here else case.tolerance)
    with ThreadPoolExecutor(1) as pool:
        _same(pool.submit(model.infer, batch, model.provides).result(), first, case.tolerance)
    model.close()
    _same(case.open(2).infer(batch, case.provides), first, case.tolerance)


def leaves_arrays_alone(case: InferenceCase) -> None:
    """Neither the batch nor what was given before changes in a later call."""
    model = case.open(1)
    batch = case.items()
    kept = batch.copy() if isinstance(batch, np.ndarray) else list(batch)
    made = model.infer(batch, model.provides)
    copies = {name: array.copy() for name, array in made.items()}
    model.infer(_chosen(batch, range(len(batch) - 1, -1, -1)), model.provides)
    np.testing.assert_array_equal(batch, kept)
    _same(made, copies, 0.0)


def digest_is_of_the_weights(case: InferenceCase) -> None:
    """Other weights have another digest; the same, opened again, have the same."""
    digest = case.open(1).digest
    assert isinstance(digest, str)
    assert len(digest) >= 16
    assert case.open(2).digest == digest
    if case.other is not None:
        other = case.other()
        assert other.digest != digest
        batch = case.items()
        one = case.open(1).infer(batch, case.provides)
        two = other.infer(batch, other.provides)
        assert any(not np.allclose(one[name], two[name]) for name in one)


def members_differ(case: InferenceCase) -> None:
    """Members are no copies of each other: dropout is on, and a committee has several states."""
    model = case.open(1)
    for name in sorted({"member_probabilities", "member_predictions"} & model.provides):
        array = model.infer(case.items(), frozenset({name}))[name]
        assert array.shape[1] >= 2
        assert float(array.std(axis=1).max()) > 1e-6, f"all members give the same {name}"


def classes_are_those_of_its_columns(case: InferenceCase) -> None:
    """Where the classes have names, there are as many as columns."""
    model = case.open(1)
    for name in sorted({"probabilities", "label_probabilities"} & model.provides):
        columns = model.infer(case.items(2), frozenset({name}))[name].shape[1]
        assert len(model.classes) in (0, columns)


def keeps_to_its_threads(case: InferenceCase) -> None:
    """One thread uses no more than one processor, after the first call has compiled."""
    if not case.here:
        return
    model = case.open(1)
    batch = case.items(200)
    model.infer(batch, model.provides)
    began, used = time.perf_counter(), time.process_time()
    while time.perf_counter() - began < 0.25:
        model.infer(batch, model.provides)
    share = (time.process_time() - used) / (time.perf_counter() - began)
    assert share < 1.5, f"one thread was allowed, but {share:.1f} processors were busy"
    assert model.info.threads == 1


def refuses_items_that_it_cannot_take(case: InferenceCase) -> None:
    """By an error of ours, with a sentence; and goes on afterwards."""
    if case.wrong is None:
        return
    model, wrong = case.open(1), case.wrong()
    assert len(_refusal(lambda: model.infer(wrong, model.provides))) > 20
    assert set(model.infer(case.items(), model.provides)) == model.provides


def closes_twice(case: InferenceCase) -> None:
    """The second time does nothing."""
    model = case.open(1)
    model.infer(case.items(2), model.provides)
    model.close()
    model.close()


INFERENCE_CHECKS: tuple[Callable[[InferenceCase], None], ...] = (
    gives_what_it_declares,
    gives_only_what_is_wanted,
    refuses_what_it_does_not_provide,
    rows_do_not_depend_on_their_batch,
    keeps_the_order,
    is_the_same_each_time,
    leaves_arrays_alone,
    digest_is_of_the_weights,
    members_differ,
    classes_are_those_of_its_columns,
    keeps_to_its_threads,
    refuses_items_that_it_cannot_take,
    closes_twice,
)
