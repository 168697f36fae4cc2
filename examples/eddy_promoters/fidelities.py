"""Two oracles in one search: ``python fidelities.py [SECONDS] [dear]``.

The cheap one is the lattice on 16 nodes, the dear one OpenFOAM with 24 cells across each layer. The
search (``gp``, with a fidelity) learns from both, and takes the design and the oracle that promise
most for their cost; only what OpenFOAM said counts. ``SECONDS`` of oracles' time are paid (200 by
default); ``dear`` asks OpenFOAM alone, for comparison. Where OpenFOAM is missing, it says how to
install it, and ends.
"""

from __future__ import annotations

import math
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

import foam
from problem import PRICE, quick, worth

from querist import Study

CELLS = 24
SPACE = {
    "count": {"integer": [1, 4]},
    "place": {"real": [0.0, 1.0]},
    "diameter": {"real": [0.15, 0.45]},
    "spread": {"real": [0.6, 1.0]},
    "solver": {"choice": [0, 1]},
}


def by_foam(design: tuple[float, ...] | None) -> dict[str, float]:
    """Drag and Stanton number by OpenFOAM."""
    with tempfile.TemporaryDirectory() as folder:
        return foam.simulate(design, Path(folder), CELLS)


@cache
def empty() -> dict[str, float]:
    """The empty channel by OpenFOAM."""
    return by_foam(None)


def simulate(
    count: int, place: float, diameter: float, spread: float, solver: int = 1
) -> dict[str, float]:
    """``worth`` by the lattice (``solver`` 0) or by OpenFOAM (1), and the ``seconds`` it took."""
    design = (float(count), place, diameter, spread)
    reference = empty() if solver else None  # not part of the cost
    begin = time.perf_counter()
    if reference is None:
        found: dict[str, Any] = quick(design)
    else:
        said = by_foam(design)
        log_drag = math.log(said["drag"] / reference["drag"])
        found = {"gains": (log_drag, said["stanton"] / reference["stanton"])}
    return {"worth": worth(found, PRICE), "seconds": time.perf_counter() - begin}


def study(seconds: float, dear: bool) -> Study:
    """The search, for so many seconds of the oracles' time, with both or with OpenFOAM alone."""
    both = {"fidelity": {"setting": "solver", "target": 1}}
    return Study(
        name="eddy_dear" if dear else "eddy_fidelities",
        space={name: one for name, one in SPACE.items() if not dear or name != "solver"},
        maximise="worth",
        simulation={"use": "function", "options": {"function": "fidelities:simulate"}},
        cost="seconds",
        budget={"cost": seconds},
        **({} if dear else both),
    )


def main() -> None:
    """Search, and say what was paid to whom."""
    if sentence := foam.missing():
        raise SystemExit(sentence)
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 200.0
    result = study(seconds, "dear" in sys.argv[2:]).run()
    for solver, name in ((0, "lattice Boltzmann, 16 nodes"), (1, f"OpenFOAM, {CELLS} cells")):
        own = [t for t in result.trials if t.settings.get("solver", 1) == solver and t.outputs]
        print(f"{name}: {len(own)} calls, {sum(t.outputs['seconds'] for t in own):.0f} s")
    print(result.sentence())


if __name__ == "__main__":
    main()
