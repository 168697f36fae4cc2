"""Set before anything imports NumPy: one thread a process, no display, one Hypothesis profile.

Modules of ``tests/shared`` can be imported by their plain names.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

THREADS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM", "BLIS")
os.environ.update({f"{library}_NUM_THREADS": "1" for library in THREADS})
os.environ["MPLBACKEND"] = "Agg"
for name in ("http_proxy", "https_proxy", "all_proxy"):  # servers of tests are on this machine
    os.environ.pop(name, None)
    os.environ.pop(name.upper(), None)
sys.path.insert(0, str(Path(__file__).with_name("shared")))

# Deadlines measure the machine, so there are none. `ci` is the same search every time.
SLOW_IS_FINE = [HealthCheck.too_slow]
settings.register_profile(
    "ci",
    derandomize=True,
    max_examples=60,
    deadline=None,
    database=None,
    suppress_health_check=SLOW_IS_FINE,
)
settings.register_profile(
    "thorough", max_examples=2000, deadline=None, suppress_health_check=SLOW_IS_FINE
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

# Where tests run in the background of a shell, Ctrl-C is ignored, by all processes they start, too.
signal.signal(signal.SIGINT, signal.default_int_handler)
