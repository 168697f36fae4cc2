"""A plan in a campaign file: what it changes, and that the loader takes it."""

from __future__ import annotations

import pytest

from querist.campaign.fragment import fragment, merged
from querist.campaign.loading import parse_settings
from querist.campaign.planned import placement_of
from querist.planning.forecast import Allocation
from querist.planning.placement import Placement

FILE = {
    "generators": {"use": "uniform", "options": {"low": [0], "high": [1]}},
    "model": {"use": "random_features", "options": {"members": 2}},
    "oracles": {
        "dft": {"use": "function", "options": {"function": "math:sqrt"}, "resources": {"cores": 2}},
        "xtb": {"use": "function", "options": {"function": "math:sqrt"}, "workers": 2},
    },
    "gate": {"output": "y", "quantile": 0.5},
    "budget": {"labels": 12},
    "explorers": 3,
    "engine": "mpi",
}


def test_what_is_planned_is_what_the_loader_reads() -> None:
    settings = parse_settings(FILE, "here")
    at = Placement(0.5, 1.0, (("dft", 8), ("xtb", 1)), (("dft", 0.0), ("xtb", 0.0)))
    chosen = Allocation(4, (("dft", 20), ("xtb", 5)), 2, batch=3, every=40, placement=at)
    told = parse_settings(merged(FILE, fragment(settings, chosen)), "planned")
    assert (told.explorers, told.trainers, told.placement.kind) == (4, 2, "colocated")
    assert {n: (o.workers, o.batch) for n, o in told.oracles.items()} == {
        "dft": (20, 3),
        "xtb": (5, 3),
    }
    assert placement_of(told) == at
    assert told.oracles["xtb"].resources is None
    assert told.retrain == {"every_labels": 40}
    assert told.oracles["dft"].options == {"function": "math:sqrt"}


def test_ranks_apart_and_an_oracle_without_a_name() -> None:
    file = {**FILE, "oracles": {"use": "function", "options": {"function": "math:sqrt"}}}
    settings = parse_settings(file, "here")
    chosen = Allocation(2, (("oracle", 9),), 1, placement=Placement(1.0, generators=4))
    changes = fragment(settings, chosen)
    assert "explorers" not in changes
    told = parse_settings(merged(file, changes), "planned")
    assert told.placement.kind == "split"
    assert (told.placement.predictors, told.placement.generators) == (2, 8)
    assert placement_of(told).generators == 4
    assert told.oracles["oracle"].workers == 9
    assert told.retrain == settings.retrain


@pytest.mark.parametrize(("ranks", "cores", "size"), [(4, 2, 16), (1, 2, 4)])
def test_more_cores_are_more_ranks_where_there_are_several(ranks, cores, size) -> None:
    program = {"use": "parallel", "options": {"command": ["true"], "read": "x:y"}}
    file = {**FILE, "oracles": {"dft": {**program, "resources": {"ranks": ranks, "cores": cores}}}}
    settings = parse_settings(file, "here")
    assert placement_of(settings).size("dft") == ranks * cores
    chosen = Allocation(1, (("dft", 2),), 1, placement=Placement(cores=(("dft", size),)))
    told = parse_settings(merged(file, fragment(settings, chosen)), "planned")
    assert placement_of(told).size("dft") == size
