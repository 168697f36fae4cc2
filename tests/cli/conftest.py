"""What the tests of the command line share."""

from __future__ import annotations

import sys
from pathlib import Path

# The roles that the campaigns of these tests name.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "campaign"))
