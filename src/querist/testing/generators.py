"""The contract of a generator, as checks that any implementation must pass.

Put every implementation in the parameter list::

    @pytest.mark.parametrize("check", GENERATOR_CHECKS, ids=lambda check: check.__name__)
    @pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
    def test_contract(check, case, tmp_path):
        check(case, worker_context(tmp_path, seed=1))
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from querist.core.batch import Array, Batch
from querist.core.prediction import (
    AnsweredSample,
    Feedback,
    Prediction,
    Proposal,
    Verdict,
    Verdicts,
)
from querist.core.roles import (
    Generator,
    SupportsInitial,
    SupportsOpen,
    SupportsRestart,
    SupportsState,
    WorkerContext,
)

Truth = Callable[[Mapping[str, Array]], Mapping[str, Array]]


@dataclass(frozen=True, slots=True)
class GeneratorCase:
    """One implementation under test.

    Attributes:
        name: For the test's id.
        make: Makes the generator; it must not end within a few dozen rounds.
        truth: The outputs of one sample, which predictions and answers give.
    """

    name: str
    make: Callable[[], Generator]
    truth: Truth

    def opened(self, context: WorkerContext) -> Generator:
        """A new generator, opened where it wants to be."""
        generator = self.make()
        if isinstance(generator, SupportsOpen):
            generator.open(context)
        return generator


def feedback(case: GeneratorCase, proposal: Proposal, verdicts: Sequence[int]) -> Feedback:
    """Predict a proposal with the truth, and give it these verdicts in turns."""
    count = len(proposal.batch)
    rows = [case.truth(proposal.batch.arrays(i)) for i in range(count)]
    given = np.resize(np.array(verdicts, np.int8), count)
    mean = Batch.of(rows)
    return Feedback(
        proposal.walkers,
        Prediction(mean, Batch({})),
        Verdicts(given, np.zeros(count)),
        info={"version": 1},
    )


def answers(case: GeneratorCase, proposal: Proposal, given: Feedback) -> tuple[AnsweredSample, ...]:
    """The truth of whatever was asked; every third question fails."""
    asked = np.flatnonzero(given.verdicts.verdict == Verdict.ASK)
    samples = [(int(proposal.walkers[i]), proposal.batch.sample(int(i))) for i in asked]
    return tuple(
        AnsweredSample(walker, sample, case.truth(sample.arrays) if n % 3 < 2 else None)
        for n, (walker, sample) in enumerate(samples)
    )


MIXED = (Verdict.TRUST, Verdict.ASK, Verdict.TRUST, Verdict.REJECT, Verdict.TRUST)


def explore(
    case: GeneratorCase, generator: Generator, rounds: int, verdicts: Sequence[int] = MIXED
) -> list[Batch]:
    """Run a generator; answers arrive one round after their question."""
    seen: list[Batch] = []
    late: tuple[AnsweredSample, ...] = ()
    for number in range(rounds):
        proposal = generator.propose()
        seen.append(proposal.batch)
        given = feedback(case, proposal, np.roll(np.array(verdicts), number).tolist())
        fields = (given.walkers, given.prediction, given.verdicts, late, given.info)
        generator.observe(Feedback(*fields))
        late = answers(case, proposal, given)
    return seen


def proposes_rows_for_walkers(case: GeneratorCase, context: WorkerContext) -> None:
    """A proposal has one finite row for each walker, none twice."""
    generator = case.opened(context)
    assert isinstance(generator, Generator)
    proposal = generator.propose()
    assert len(proposal.batch) == len(proposal.walkers) > 0
    assert len(set(proposal.walkers.tolist())) == len(proposal.walkers)
    assert proposal.walkers.min() >= 0
    for column in proposal.batch.columns.values():
        assert column.data.dtype.kind != "f" or np.isfinite(column.data).all()


def keeps_fields_and_shapes(case: GeneratorCase, context: WorkerContext) -> None:
    """Samples of all rounds can be put in one batch."""
    together = Batch.concatenate(explore(case, case.opened(context), 12))
    assert len(together) > 0


def gives_its_proposals_away(case: GeneratorCase, context: WorkerContext) -> None:
    """A proposal does not change while the generator goes on."""
    generator = case.opened(context)
    proposal = generator.propose()
    before = Batch(proposal.batch.columns).ids
    generator.observe(feedback(case, proposal, [Verdict.TRUST]))
    explore(case, generator, 5)
    assert Batch(proposal.batch.columns).ids == before


def lives_without_a_model(case: GeneratorCase, context: WorkerContext) -> None:
    """Feedback without a prediction is no error, and neither is one without rows."""
    generator = case.opened(context)
    for _ in range(3):
        proposal = generator.propose()
        count = len(proposal.batch)
        verdicts = Verdicts(np.full(count, Verdict.ASK, np.int8), np.zeros(count))
        generator.observe(Feedback(proposal.walkers, None, verdicts))
    nothing = Verdicts(np.zeros(0, np.int8), np.zeros(0))
    generator.observe(Feedback(np.zeros(0, np.int64), None, nothing))


def survives_every_verdict(case: GeneratorCase, context: WorkerContext) -> None:
    """Always trusted, always asked, always rejected, and mixed."""
    for verdicts in ([Verdict.TRUST], [Verdict.ASK], [Verdict.REJECT], list(MIXED)):
        generator = case.opened(context)
        explore(case, generator, 20, verdicts)
        generator.propose()


def passes_over_strange_answers(case: GeneratorCase, context: WorkerContext) -> None:
    """Answers to samples of nobody in particular, or of long ago, do no harm."""
    generator = case.opened(context)
    proposal = generator.propose()
    sample = proposal.batch.sample(0)
    given = feedback(case, proposal, [Verdict.TRUST])
    strange = (
        AnsweredSample(-1, sample, case.truth(sample.arrays)),
        AnsweredSample(0, sample, None),
    )
    fields = (given.walkers, given.prediction, given.verdicts, strange)
    generator.observe(Feedback(*fields))
    assert isinstance(generator.propose(), Proposal)


def continues_exactly(case: GeneratorCase, context: WorkerContext) -> None:
    """Restored from its state, which is arrays and JSON, it proposes the same from then on."""
    generator = case.opened(context)
    if not isinstance(generator, SupportsState):
        return
    explore(case, generator, 7)
    arrays, data = generator.state()
    assert all(isinstance(value, np.ndarray) for value in arrays.values())
    written = json.loads(json.dumps(data))
    kept = {name: value.copy() for name, value in arrays.items()}
    expected = explore(case, generator, 9)
    other = case.make()
    assert isinstance(other, SupportsState)
    other.restore(kept, written)
    assert [b.ids for b in explore(case, other, 9)] == [b.ids for b in expected]


def continues_exactly_between_proposal_and_feedback(
    case: GeneratorCase, context: WorkerContext
) -> None:
    """A state taken while predictions are on their way is as good; it may propose them again."""
    generator = case.opened(context)
    if not isinstance(generator, SupportsState):
        return
    explore(case, generator, 4)
    generator.propose()
    arrays, data = generator.state()
    states = [({n: v.copy() for n, v in arrays.items()}, json.dumps(data)) for _ in range(2)]
    runs = []
    for kept, written in states:
        other = case.make()
        assert isinstance(other, SupportsState)
        other.restore(kept, json.loads(written))
        runs.append([batch.ids for batch in explore(case, other, 5)])
    assert runs[0] == runs[1]


def offers_samples_before_there_is_a_model(case: GeneratorCase, context: WorkerContext) -> None:
    """As many as asked for, with the fields of its proposals."""
    generator = case.opened(context)
    if not isinstance(generator, SupportsInitial):
        return
    fields = set(case.opened(context).propose().batch.columns)
    for count in (1, 5):
        batch = generator.initial(count)
        assert len(batch) == count
        assert set(batch.columns) == fields


def restarts_where_it_is_put(case: GeneratorCase, context: WorkerContext) -> None:
    """Its next proposal holds the samples it was restarted from."""
    generator = case.opened(context)
    if not (isinstance(generator, SupportsRestart) and isinstance(generator, SupportsInitial)):
        return
    samples = generator.initial(2).samples()
    explore(case, generator, 3)
    generator.restart(samples)
    assert {sample.id for sample in samples} <= set(generator.propose().batch.ids)


GENERATOR_CHECKS: tuple[Callable[[GeneratorCase, WorkerContext], None], ...] = (
    proposes_rows_for_walkers,
    keeps_fields_and_shapes,
    gives_its_proposals_away,
    lives_without_a_model,
    survives_every_verdict,
    passes_over_strange_answers,
    continues_exactly,
    continues_exactly_between_proposal_and_feedback,
    offers_samples_before_there_is_a_model,
    restarts_where_it_is_put,
)
