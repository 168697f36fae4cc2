"""Where roles run: speeds worked out by hand, and nodes that workers fit into."""

from __future__ import annotations

import numpy as np
import pytest

from querist.core.errors import ConfigError
from querist.engines.durations import Constant
from querist.planning.behaviour import Behaviour, Fits
from querist.planning.forecast import Allocation
from querist.planning.placement import ONE_CORE, Effects, Machine, Placement, serial_of
from querist.planning.search import Space
from querist.planning.text import placement_text

WORLD = Behaviour(
    {"f": Constant(8.0)}, found=Constant(10.0), proposed=100.0, predicting=0.75, fits=Fits(4.0, 0.2)
)


def drawn(of: object) -> float:
    assert hasattr(of, "draw")
    return float(of.draw(np.random.default_rng(0), 1)[0])


def test_roles_are_as_much_quicker_as_was_said_or_slower_without() -> None:
    known = Effects(gpu={"trainers": 8.0, "explorers": 3.0})
    there = known.behaviour(WORLD, Placement(explorer_gpus=1.0, trainer_gpus=0.5))
    assert (there.fits.fixed, there.fits.each) == (1.0, 0.05)  # half a GPU: four times
    assert drawn(there.found) == pytest.approx(20.0)  # 3/4 of a step takes a third: half as long
    assert there.proposed == pytest.approx(200.0)
    had = Effects(Placement(trainer_gpus=1.0), {"trainers": 8.0})
    assert had.behaviour(WORLD, ONE_CORE).fits.fixed == 32.0
    assert known.speed("trainers", Placement(trainer_gpus=0.01)) == 1.0  # never slower than a core
    assert Effects().behaviour(WORLD, Placement(trainer_gpus=1.0)).fits == WORLD.fits


def test_answers_follow_amdahls_law_from_where_they_were_measured() -> None:
    known = Effects(Placement(cores=(("f", 2),)), serial={"f": 0.2})
    there = known.behaviour(WORLD, Placement(cores=(("f", 8),)))
    assert drawn(there.labels["f"]) == pytest.approx(8.0 * (0.2 + 0.1) / (0.2 + 0.4))
    assert serial_of({1: 10.0, 4: 4.0}) == pytest.approx(0.2)
    assert serial_of({2: 6.0, 8: 3.0}) == pytest.approx(0.2)
    assert serial_of({1: 10.0, 4: 2.0}) == 0.0  # better than can be
    assert serial_of({4: 10.0}) is None


def test_ranks_that_generate_and_predict_set_the_pace_together() -> None:
    known = Effects(gpu={"explorers": 6.0})
    assert known.exploring(ONE_CORE, 0.75) == pytest.approx(1.0)
    assert known.exploring(Placement(generators=1), 0.75) == pytest.approx(4 / 3)
    fast = Placement(explorer_gpus=1.0, generators=1)
    assert known.exploring(fast, 0.75) == pytest.approx(4.0)  # generating takes a quarter
    assert known.exploring(Placement(1.0, generators=4), 0.75) == pytest.approx(8.0)


def test_workers_fit_into_nodes_or_not() -> None:
    at = Placement(explorer_gpus=0.5, trainer_gpus=1.0, cores=(("f", 3),))
    machine = Machine(2, 8, 2)
    packed = machine.packed({"trainers": 2, "explorers": 4, "f": 2}, at)
    assert packed is not None
    assert sum(packed, start=type(packed[0])()) == {"trainers": 2, "explorers": 4, "f": 2}
    assert all(one["trainers"] + 0.5 * one["explorers"] <= 2 for one in packed)
    assert all(one.total() + 2 * one["f"] <= 8 for one in packed)
    assert machine.packed({"trainers": 3, "explorers": 4}, at) is None  # GPUs
    assert machine.packed({"f": 5}, at) is None  # two on each node, and no part of one over both
    with pytest.raises(ConfigError, match="nodes with cores"):
        Machine(0, 8)


def test_a_space_gives_oracles_whole_answers_of_what_is_left() -> None:
    at = Placement(trainer_gpus=1.0, cores=(("f", 3), ("g", 1)), oracle_gpus=(("g", 1.0),))
    space = Space(16, {"f": 1.0, "g": 1.0}, trainers=2, gpus=4, placement=at)
    made = space.allocation(1, 1, None)
    assert made is not None
    assert dict(made.oracles) == {"f": 3, "g": 3}  # 14 cores: 3 x 3 and 3 of 3 GPUs
    assert space.allocation(1, 2, None) is not None
    packed = Space(16, {"f": 1.0}, placement=Placement(cores=(("f", 5),)), machine=Machine(2, 8))
    assert packed.allocation(1, 1, None) == Allocation(
        1, (("f", 2),), 1, placement=packed.placement
    )
    split = Space(12, {"f": 1.0}, placement=Placement(generators=2)).allocation(3, 1, None)
    assert split is not None
    assert split.roles() == {"explorers": 3, "generators": 6, "trainers": 1, "f": 2}
    assert split.workers == 12


def test_a_plan_says_where_and_why() -> None:
    at = Placement(trainer_gpus=1.0, cores=(("f", 2),))
    known = Effects(gpu={"trainers": 8.0}, sources={"trainers": "as stated"})
    chosen = Allocation(1, (("f", 7),), 1, placement=at)
    told = placement_text(chosen, Machine(4, 4, 1), known, ["something"])
    assert told.splitlines() == [
        "Placement: trainers 1 GPU each, 2 cores an answer of f.",
        "   trainers: 8 times as fast on a GPU (as stated)",
        "   Left as configured: something.",
        "   node 1: 1 explorers, 1 f, 1 trainers",
        "   nodes 2 to 4: 2 f",
    ]
