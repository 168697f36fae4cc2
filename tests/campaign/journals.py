"""Facts written by hand, as the controller writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from querist.core.batch import Sample
from querist.store.run_folder import RunFolder


class Scribe:
    """Appends facts to a run, durably."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder, self.t = folder, 0.0

    def write(self, *facts: tuple[str, Mapping[str, Any], Mapping[str, Any]]) -> None:
        with self.folder.journal_writer() as writer:
            for kind, data, arrays in facts:
                self.t += 1.0
                writer.append(kind, {"t": self.t, **data}, arrays)

    def ask(self, *numbers: float, **more: Any) -> None:
        self.write(*(asked(number, **more) for number in numbers))

    def label(self, *numbers: float, purpose: str = "train", **outputs: Any) -> None:
        self.ask(*numbers)
        self.write(*(labelled(number, purpose, **outputs) for number in numbers))


def sample(number: float) -> Sample:
    return Sample.of({"x": np.array([float(number)])})


def question(number: float) -> str:
    return f"{sample(number).id}.oracle.0"


def asked(number: float, **more: Any):
    data = {"question": question(number), "sample": sample(number).id, "oracle": "oracle"}
    fixed = {"replicate": 0, "uri": None, "purpose": "train", "slot": 0, "walker": 0, "estimate": 0}
    return "question.asked", {**data, **fixed, **more}, {"in/x": np.array([float(number)])}


def labelled(number: float, purpose: str = "train", **outputs: Any):
    identity = {"question": question(number), "sample": sample(number).id, "oracle": "oracle"}
    data = {**identity, "purpose": purpose, "level": "exact", "cost": 1.0, "attempt": 1}
    arrays = {f"out/{n}": np.asarray(v) for n, v in (outputs or {"y": float(number) ** 2}).items()}
    return "answer.label", data, arrays


def failed(number: float, final: bool, **more: Any):
    identity = {"question": question(number), "sample": sample(number).id, "oracle": "oracle"}
    data = {"reason": "raised an exception", "message": "no", "traceback": "", "cost": 0.0}
    return "answer.failure", {**identity, **data, "final": final, "attempt": 1, **more}, {}
