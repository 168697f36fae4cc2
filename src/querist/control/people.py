"""Questions that lie with people or other programs: lent to one, and withdrawn when stale."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from querist.control.desk import Desk, spans_json
from querist.control.plan import OraclePlan
from querist.control.state import CampaignState, OpenQuestion
from querist.core.answers import Abstention, Outcome, Purpose, question_id
from querist.core.batch import Sample
from querist.core.tasks import Spans

LEASE_SECONDS = 300.0
LONGEST_LEASE = 86_400.0
WITHDRAWN = "withdrawn: the newest model is certain enough of it"

Answer = Callable[[OpenQuestion, Outcome, Mapping[str, Any]], None]


class Outside:
    """What is open at oracles without workers.

    Args:
        state: The campaign's state.
        desk: For the time.
        answer: Records the outcome of a question.
    """

    def __init__(self, state: CampaignState, desk: Desk, answer: Answer) -> None:
        self.state, self.desk, self._answer = state, desk, answer
        self._oracles: tuple[OraclePlan, ...] = tuple(o for o in state.plan.oracles if o.outside)
        self._leases: dict[str, float] = {}

    def lend(self, data: Mapping[str, Any]) -> None:
        """Somebody looks at a question: it is his for a while, and stays.

        Args:
            data: ``question``, and ``seconds``, 300 where they are not named; 0 gives it back.
        """
        question, seconds = data.get("question"), data.get("seconds")
        if not isinstance(question, str) or question not in self.state.open:
            return
        if not isinstance(seconds, int | float) or isinstance(seconds, bool):
            seconds = LEASE_SECONDS
        self._leases[question] = self.desk.now + min(max(0.0, seconds), LONGEST_LEASE)

    def samples(self) -> list[Sample]:
        """What may have become stale."""
        return [q.sample for q in self.state.open.values() if self._may_go(q)]

    def withdraw(self, sample: str) -> None:
        """Take back the open questions about a sample of which the model is certain."""
        for oracle in self._oracles:
            question = self.state.open.get(question_id(sample, oracle.name))
            if question is None or not self._may_go(question):
                continue
            now = self.desk.now
            facts = {"worker": "", "origin": "controller", "cost": 0.0, "withdrawn": True}
            facts["spans"] = spans_json(Spans(now, now, now, now))
            self._answer(question, Abstention(WITHDRAWN), facts)
            self._leases.pop(question.id, None)

    def _may_go(self, question: OpenQuestion) -> bool:
        # Labels drawn at random stay so: their errors are those of what is met.
        if question.recording or question.purpose is not Purpose.TRAIN:
            return False
        if not any(oracle.name == question.question.oracle for oracle in self._oracles):
            return False
        return self._leases.get(question.id, 0.0) <= self.desk.now
