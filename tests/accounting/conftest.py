"""The tests of this folder share a journal that was written by hand."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from querist.testing.runs import RunFact, RunPlan, synthetic_run

sys.path.insert(0, str(Path(__file__).resolve().parent))


@pytest.fixture(scope="session")
def made_up() -> list[RunFact]:
    """A realistic run with a resume, imported labels, failures and lost workers."""
    plan = RunPlan(labels=300, resume_after=120, imported=30, loss_rate=0.02)
    return list(synthetic_run(np.random.default_rng(5), plan))
