from __future__ import annotations

import sys
from pathlib import Path

# Builders are named by import path, as in a file of settings.
sys.path.insert(0, str(Path(__file__).parent))
