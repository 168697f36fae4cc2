"""A peer's process, asked for picks: the same arrays, budget and seed go in as for ours.

Messages are pickles of plain values and arrays between this process and a child that it started.
"""

from __future__ import annotations

import pickle
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
from selection_measure import ONE_THREAD

from querist.strategies.contract import Strategy

PROGRAM = Path(__file__).parent / "learning_curves_peers.py"


class Bridge:
    """Chooses as a peer does; see ``learning_curves_learner.Choose``."""

    def __init__(self, python: str) -> None:
        import os

        self.process = subprocess.Popen(
            [python, str(PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **ONE_THREAD},
        )

    def __call__(self, strategy: Strategy, budget: int, seed: int, given: dict[str, Any]) -> Any:
        """Rows of those offered, and nothing beside.

        Raises:
            RuntimeError: If the peer failed; it says why.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        plain = {name: np.asarray(value) for name, value in given.items()}
        pickle.dump((strategy.name, budget, seed, plain), self.process.stdin)
        self.process.stdin.flush()
        picks, spent, failed = pickle.load(self.process.stdout)
        if failed:
            raise RuntimeError(failed)
        return np.asarray(picks, np.int64), {"peer_cpu_s": spent}
