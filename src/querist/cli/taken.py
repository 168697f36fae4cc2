"""How many labels were taken of a file."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Taken(NamedTuple):
    """How many labels were taken of a file, and why none where it had rows and none was of use."""

    labels: int
    why_nothing: str = ""

    def required(self, file: Path) -> int:
        """How many.

        Raises:
            PoolError: If nothing of the file was of use.
        """
        if self.why_nothing:
            from querist.pool.errors import PoolError

            raise PoolError(f"No label of {file} was taken. {self.why_nothing}")
        return self.labels
