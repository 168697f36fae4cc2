"""The contract of an oracle, as checks that any implementation must pass.

Put every implementation in the parameter list::

    @pytest.mark.parametrize("check", ORACLE_CHECKS, ids=lambda check: check.__name__)
    @pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
    def test_contract(check, case, tmp_path):
        check(case, lone_context(tmp_path))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from querist.core.answers import Abstention, Failure, Label, Outcome, Reason
from querist.core.batch import Batch
from querist.core.roles import Oracle, SupportsClose, SupportsOpen, SupportsOracleSpec
from querist.testing.contexts import LoneContext


@dataclass(frozen=True, slots=True)
class OracleCase:
    """One implementation under test.

    Attributes:
        name: For the test's id.
        make: Makes the oracle.
        good: At least two different samples that it can label.
        outputs: Names of the outputs of a good label.
        bad: Samples that it must fail on, with the reason; each has the fields of ``good``.
        tolerance: How far two answers to the same sample may differ.
    """

    name: str
    make: Callable[[], Oracle]
    good: Batch
    outputs: Sequence[str]
    bad: Mapping[Reason, Batch] = field(default_factory=dict)
    tolerance: float = 1e-9


def asked(case: OracleCase, batch: Batch, context: LoneContext) -> Sequence[Outcome]:
    """Open an oracle, ask it once, and close it."""
    oracle = case.make()
    if isinstance(oracle, SupportsOpen):
        oracle.open(context.worker)
    try:
        return oracle.answer(batch, context)
    finally:
        if isinstance(oracle, SupportsClose):
            oracle.close()


def declares_what_it_is(case: OracleCase, context: LoneContext) -> None:
    """It fulfils the protocols, and its declarations have the right types."""
    oracle = case.make()
    assert isinstance(oracle, Oracle)
    assert isinstance(oracle, SupportsOracleSpec)
    assert isinstance(oracle.level, str)
    assert oracle.cost is None or oracle.cost >= 0
    assert oracle.resources.cores >= 1
    assert context.sent == []


def labels_good_samples(case: OracleCase, context: LoneContext) -> None:
    """One finite label a sample, in order, at the declared level."""
    outcomes = asked(case, case.good, context)
    assert len(outcomes) == len(case.good)
    level = getattr(case.make(), "level", "")
    for outcome in outcomes:
        assert isinstance(outcome, Label), outcome
        assert set(case.outputs) <= set(outcome.outputs)
        assert all(np.isfinite(value).all() for value in outcome.outputs.values())
        assert outcome.level == level


def answers_in_order(case: OracleCase, context: LoneContext) -> None:
    """The reversed batch gets the reversed answers, so each belongs to its own sample."""
    forward = asked(case, case.good, context)
    order = np.arange(len(case.good))[::-1]
    backward = asked(case, case.good.take(order), context)[::-1]
    distinct = set()
    for one, other in zip(forward, backward, strict=True):
        assert isinstance(one, Label)
        assert isinstance(other, Label)
        for name in case.outputs:
            apart = np.asarray(one.outputs[name], float) - np.asarray(other.outputs[name], float)
            assert np.abs(apart).max(initial=0.0) <= case.tolerance
        distinct.add(one.outputs[case.outputs[0]].tobytes())
    assert len(distinct) > 1, "the case's samples should have different answers"


def leaves_its_input_alone(case: OracleCase, context: LoneContext) -> None:
    """Arrays that it is given are read-only."""
    before = case.good.ids
    asked(case, case.good, context)
    unkeyed = Batch(case.good.columns, None, case.good.uris)
    assert unkeyed.ids == before


def gives_its_output_away(case: OracleCase, context: LoneContext) -> None:
    """What the receiver does with a label does not change a later one."""
    oracle = case.make()
    if isinstance(oracle, SupportsOpen):
        oracle.open(context.worker)
    name = case.outputs[0]
    (first,) = oracle.answer(case.good.take([0]), context)
    assert isinstance(first, Label)
    kept = first.outputs[name].copy()
    oracle.answer(case.good.take([1]), context)
    np.testing.assert_array_equal(first.outputs[name], kept)
    if isinstance(oracle, SupportsClose):
        oracle.close()


def fails_with_a_sentence(case: OracleCase, context: LoneContext) -> None:
    """A bad sample is a failure of the right reason; its neighbours are labelled all the same."""
    for reason, batch in case.bad.items():
        mixed = Batch.concatenate([case.good.take([0]), batch, case.good.take([1])])
        first, *failed, last = asked(case, mixed, context)
        assert isinstance(first, Label), first
        assert isinstance(last, Label), last
        for outcome in failed:
            assert isinstance(outcome, Failure)
            assert outcome.reason is reason, outcome
            assert outcome.message


def answers_nothing_for_nothing(case: OracleCase, context: LoneContext) -> None:
    """An empty batch gets an empty answer."""
    assert list(asked(case, case.good.take([]), context)) == []


def ends_when_asked_to(case: OracleCase, context: LoneContext) -> None:
    """A cancelled task has still one outcome a sample: labels that were ready, and failures."""
    context.stop = lambda: True
    outcomes = asked(case, case.good, context)
    assert len(outcomes) == len(case.good)
    for outcome in outcomes:
        assert isinstance(outcome, Label | Failure | Abstention)
        if isinstance(outcome, Failure):
            assert outcome.reason is Reason.CANCELLED


ORACLE_CHECKS: tuple[Callable[[OracleCase, LoneContext], None], ...] = (
    declares_what_it_is,
    labels_good_samples,
    answers_in_order,
    leaves_its_input_alone,
    gives_its_output_away,
    fails_with_a_sentence,
    answers_nothing_for_nothing,
    ends_when_asked_to,
)
