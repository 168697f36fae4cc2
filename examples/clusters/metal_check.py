"""Aluminium by GFN2-xTB: how many calls fail when a campaign learns where they do, and when not.

Two campaigns of `metal.yaml` run until they have as many labels: one as it is, one whose model
knows nothing of failures. They see the same clusters in the same order.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from querist.campaign.campaign import Campaign
from querist.store.reader import read_journal

HERE = Path(__file__).resolve().parent
LESS = 0.9
"""The share of failing calls must fall at least to so much of what it is without learning."""


def missing_xtb() -> str:
    """A sentence with the install command where tblite is not there, else an empty text."""
    if importlib.util.find_spec("tblite"):
        return ""
    return "tblite is not installed, so no metal cluster is searched: pip install 'querist[xtb]'"


@dataclass(frozen=True, slots=True)
class Calls:
    """What became of the calls of a campaign, in order.

    Attributes:
        failed: Whether each failed (k,).
        seconds: What each took (k,).
    """

    failed: np.ndarray
    seconds: np.ndarray

    @classmethod
    def of(cls, run: Path) -> Calls:
        """Read them from a run's journal."""
        kinds = ("answer.label", "answer.failure")
        facts = [fact for fact in read_journal(run / "journal") if fact.kind in kinds]
        failed = [fact.kind == "answer.failure" for fact in facts]
        seconds = [float(fact.data["cost"] or 0.0) for fact in facts]
        return cls(np.array(failed, bool), np.array(seconds))

    @property
    def share(self) -> float:
        """Of the calls that failed."""
        return float(self.failed.mean()) if len(self.failed) else 0.0

    @property
    def wasted(self) -> float:
        """Seconds of the oracle in calls that failed."""
        return float(self.seconds[self.failed].sum())

    def told(self) -> str:
        """In words."""
        return f"{self.failed.sum()} of {len(self.failed)} ({self.share:.0%}, {self.wasted:.0f} s)"


def campaign(avoids: bool, atoms: int, labels: int, engine: str | None = None) -> Campaign:
    """The campaign of `metal.yaml`, or the same without what learns of failures."""
    values = Campaign.load(HERE / "metal.yaml", engine=engine).settings.model_dump()
    for role in values["generators"]:
        role["options"] = {**role["options"], **_of(atoms, role["use"])}
    values["budget"] = {"labels": labels}
    if values["engine"]["kind"] == "inline":
        values["slice"] = {"steps": 2, "seconds": None}
    if not avoids:
        held = values["model"]["options"]
        values["model"] = {"use": held["model"], "options": held["options"]}
    return Campaign(**values)


def _of(atoms: int, use: str) -> dict[str, Any]:
    return {"options": {"atoms": atoms}} if use == "stream" else {"atoms": atoms}


def compare(folder: Path, atoms: int, labels: int, engine: str | None = None) -> dict[str, Calls]:
    """Run both campaigns; what became of their calls, by name."""
    found = {}
    for name, avoids in (("learns of failures", True), ("does not", False)):
        run = folder / name.replace(" ", "-")
        campaign(avoids, atoms, labels, engine).run(run, progress=False)
        found[name] = Calls.of(run)
    return found
