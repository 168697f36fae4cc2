"""Check: are walkers that are restarted where little was seen really begun there?

    python examples/adaptive_sampling/check.py [--folder runs/adaptive_sampling-1]

Exit code 1 if anything fails.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import problem
from dynamics import Segments, temperature
from molecules import EXTENDED, dihedrals

from querist.campaign.campaign import Campaign, RunResult
from querist.core.errors import QueristError
from querist.testing.checks import Row, above, below, finish, near, new_folder, save

HERE = Path(__file__).resolve().parent
SEED = 7


def dynamics_rows(segments: Segments) -> list[Row]:
    """The molecule and the engine, against what is known of them."""
    built = segments.molecule
    angles = dihedrals(built.positions[None], built.torsions)[0]
    first, again = (segments(built.positions, SEED)["frames"] for _ in range(2))
    return [
        near("torsions of the built molecule: phi, degrees", EXTENDED[0], angles[0], 1.0),
        near("  psi, degrees", EXTENDED[1], angles[1], 1.0),
        below("one question asked twice: change of frames, Å", 1e-9, np.abs(first - again).max()),
        near("mean kinetic temperature, K", 300.0, temperature(segments, 200, SEED), 30.0),
    ]


def restart_rows(result: RunResult, labels: int) -> list[Row]:
    """Where walkers began, against what was seen."""
    data = result.dataset()
    frames, begun = problem.seen(data), np.asarray(data.inputs["positions"], np.float32)
    known = {frame.tobytes() for frame in frames}
    known.add(problem.molecule("alanine").positions.astype(np.float32).tobytes())
    strange = sum(frame.tobytes() not in known for frame in begun)
    torsions = problem.molecule("alanine").torsions
    cells = problem.cells_of(dihedrals(frames, torsions))
    found, counts = np.unique(cells, axis=0, return_counts=True)
    visits = {tuple(cell): count for cell, count in zip(found.tolist(), counts, strict=True)}
    began = problem.cells_of(dihedrals(begun, torsions)).tolist()[len(begun) // 3 :]
    rare = np.mean([visits.get(tuple(cell), 0) for cell in began])
    usual = (counts**2).sum() / counts.sum()
    return [
        Row("segments", str(labels), str(len(data)), len(data) == labels),
        Row("walkers that began where nobody was", "0", str(strange), strange == 0),
        below("visits of cells where walkers began / of all frames' cells", 0.5, rare / usual),
        above("cells of phi and psi seen", 20, len(found)),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and check; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args(arguments)
    folder = options.folder or new_folder(Path("runs"), "adaptive_sampling")
    try:
        rows = dynamics_rows(Segments())
        campaign = Campaign.load(HERE / "campaign.yaml")
        labels = campaign.settings.budget.labels or 0
        rows += restart_rows(campaign.run(folder), labels)
    except QueristError as error:
        print(f"check: {error}", file=sys.stderr)
        return 1
    save(folder, rows, {})
    return finish(rows)


if __name__ == "__main__":
    sys.exit(main())
