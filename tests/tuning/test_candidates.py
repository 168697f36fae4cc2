"""Finite sets of candidates: read, described, and kept to."""

from __future__ import annotations

import json

import pytest

from querist.core.errors import ConfigError
from querist.tuning.candidates import CandidateSpace, plain_points, read_candidates, space_of
from querist.tuning.settings import StudySettings
from querist.tuning.space import Space
from querist.tuning.trial import Problem

ROWS = [
    {"x": 0.5, "k": 2, "metal": "Pt", "same": 1},
    {"x": 0.1, "k": 4, "metal": "Pd", "same": 1},
    {"x": 0.9, "k": 3, "metal": "Pt", "same": 1},
]


def test_a_table_describes_its_space() -> None:
    assert space_of(ROWS) == {
        "x": {"real": [0.1, 0.9]},
        "k": {"integer": [2.0, 4.0]},
        "metal": {"choice": ["Pt", "Pd"]},
    }
    with pytest.raises(ConfigError, match="'name' has 60 different texts"):
        space_of([{"name": f"m{n}"} for n in range(60)])


@pytest.mark.parametrize("ending", ["csv", "json", "jsonl"])
def test_files_of_every_kind_say_the_same(ending, tmp_path) -> None:
    path = tmp_path / f"candidates.{ending}"
    lines = [json.dumps(row) for row in ROWS]
    if ending == "csv":
        lines = ["x,k,metal,same", *(",".join(str(v) for v in row.values()) for row in ROWS)]
    path.write_text(f"[{','.join(lines)}]" if ending == "json" else "\n".join(lines))
    rows = read_candidates(path)
    space = CandidateSpace.holding(Space.of(space_of(rows)), rows)
    assert list(space.all()) == [{n: row[n] for n in ("x", "k", "metal")} for row in ROWS]
    with pytest.raises(ConfigError, match="cannot be read"):
        read_candidates(tmp_path / "none.csv")


def test_only_candidates_are_points() -> None:
    space = CandidateSpace.holding(Space.of(space_of(ROWS)), [*ROWS, ROWS[0]])
    assert space.size == 3
    assert space.own(ROWS[1]) == {"x": 0.1, "k": 4, "metal": "Pd"}
    with pytest.raises(ConfigError, match="none of the 3 candidates"):
        space.own({"x": 0.5, "k": 4, "metal": "Pt"})
    assert space.point(space.places(space.points[2])) == space.points[2]
    assert space.point([0.95, 0.5, 0.3]) == space.points[2]  # the nearest
    assert (space.features(space.points) == Space.of(space_of(ROWS)).features(space.points)).all()


def test_a_data_frame_holds_candidates_too() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"x": [0.5, 1.5], "kind": ["a", "b"]})
    told = {"minimise": "f", "simulation": "math:sin", "budget": {"runs": 2}}
    problem = StudySettings(candidates=frame, **told).problem()
    assert plain_points(problem.space) == [{"x": 0.5, "kind": "a"}, {"x": 1.5, "kind": "b"}]
    with pytest.raises(ValueError, match="a file, a list of mappings or a data frame, got 5"):
        StudySettings(candidates=5, **told)


def test_candidates_come_back_with_the_problem() -> None:
    goal = {"maximise": "y", "candidates": ROWS}
    problem = Problem.read(space_of(ROWS), goal, 3, 0)
    assert Problem.read(problem.space.plain(), problem.goal(), 3, 0) == problem
