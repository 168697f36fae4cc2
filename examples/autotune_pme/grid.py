"""The exhaustive grid, once, as a study with ``search: grid``; goes on where it was stopped.

python examples/autotune_pme/grid.py [--folder runs/autotune_pme_grid]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from querist import Study
from querist.tuning.settings import StudySettings, load_study
from querist.tuning.study import StudyResult, study_of

HERE = Path(__file__).resolve().parent
SMALL = {
    "cutoff": {"choice": [0.6, 0.8, 1.0]},
    "tolerance": {"choice": [1e-5, 1e-4, 1e-3], "log": True},
    "method": {"choice": ["PME", "Ewald"]},
    "grid": {"choice": [16, 24, 32, 48], "when": {"method": "PME"}},
}


def settings(small: bool, **changed: Any) -> StudySettings:
    """The study of ``study.yaml``, or of a part of its space."""
    told = load_study(HERE / "study.yaml")
    if small:
        begin = ({"cutoff": 0.8, "tolerance": 1e-4, "method": "PME", "grid": 32},)
        told = told.model_copy(update={"space": SMALL, "begin": begin})
    return StudySettings.model_validate({**told.model_dump(), **changed})


def whole(folder: Path, small: bool, progress: bool = True) -> StudyResult:
    """The grid's results: run, gone on with, or read from the folder if it is complete."""
    told = settings(small, search={"use": "grid"}, budget={})
    study, count = Study(told), len(list(told.problem().space.grid()))
    if not folder.exists():
        return study.run(folder, progress=progress)
    return (
        study.resume(folder, progress=progress)
        if len(study_of(folder).trials) < count
        else study_of(folder)
    )


def main() -> None:
    """Make the grid and say what it holds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[0])
    parser.add_argument("--folder", type=Path, default=Path("runs/autotune_pme_grid"))
    parser.add_argument("--small", action="store_true", help="a part of the space")
    options = parser.parse_args()
    result = whole(options.folder, options.small)
    print(f"{result.sentence()}\nthe grid cost {result.cost:.0f} CPU seconds")


if __name__ == "__main__":
    main()
