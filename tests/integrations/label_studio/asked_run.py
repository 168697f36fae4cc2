"""A run that asks people, whose part the test plays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from querist.campaign.asked import Questions
from querist.core.batch import Sample
from querist.store.run_folder import RunFolder

OUTPUTS = {"kind": ["cat", "dog <&"], "size": {"shape": [2], "low": 0, "high": 9}}


class Run:
    """A run's folder whose questions the test asks and withdraws."""

    def __init__(self, folder: Path, outputs: dict[str, Any] = OUTPUTS, **more: Any) -> None:
        person = {"use": "human", "outside": 9, "options": {"outputs": outputs, **more}}
        other = {"use": "function", "workers": 1}
        settings = {"oracles": {"person": person, "code": other}}
        self.run = RunFolder.create(folder, {"settings": settings})
        self.writer = self.run.journal_writer()
        self.questions = Questions(folder)

    def ask(self, number: float = 0.0, **inputs: Any) -> str:
        sample = Sample.of({"x": np.array([number]), **inputs})
        told = {"question": f"{sample.id}.person.0", "sample": sample.id, "oracle": "person"}
        about = {"purpose": "train", "why": "initial", "score": None, "t": 1.0}
        arrays = {f"in/{name}": array for name, array in sample.arrays.items()}
        self.writer.append("question.asked", told | about, arrays)
        self.writer.flush()
        return told["question"]

    def withdraw(self, question: str) -> None:
        self.writer.append("answer.abstention", {"question": question, "final": True})
        self.writer.flush()

    def posted(self, kind: str) -> list[Any]:
        return [one for one in self.run.inbox.pending() if one.kind == kind]
