"""PAL's ``UserOracle`` as an oracle: one PAL rank is one worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from querist.compat.pal.kernels import INPUT, LABEL, prepare, user, vector
from querist.core.answers import Label, Outcome
from querist.core.batch import Batch
from querist.core.roles import TaskContext, WorkerContext


class PalOracle:
    """Asks ``UserOracle.run_calc``; what it raises is a failure of that question.

    Args:
        settings: What :meth:`~querist.compat.pal.settings.PalSettings.plain` gave.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._plain = settings

    def open(self, context: WorkerContext) -> None:
        """Make the user's oracle."""
        settings = prepare(self._plain, context)
        rank = settings.rank("orcl", context.index % settings.orcl_process)
        self._oracle = user(settings, "oracle", "UserOracle")(rank, settings.result_dir)

    def close(self) -> None:
        """Tell the user's oracle that the run ends."""
        self._oracle.stop_run()

    def answer(self, samples: Batch, context: TaskContext) -> Sequence[Outcome]:
        """One label a sample, the 1-D array ``y``."""
        return [self._answer(item) for item in samples.columns[INPUT].items()]

    def _answer(self, item: Any) -> Label:
        result = self._oracle.run_calc(np.array(item, np.float64))
        return Label({LABEL: vector(result, "orcl_calc_res of UserOracle.run_calc")})
