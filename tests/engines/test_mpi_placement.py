"""Which rank becomes which worker, and with which GPUs; no MPI is needed."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from querist.core.errors import RunError
from querist.core.tasks import PoolSpec, Resources
from querist.engines.mpi import RankStaff
from querist.engines.mpi_world import Presence, Rank, located
from querist.engines.opening import Site
from querist.engines.pools import Pool
from querist.testing.fakes import pool


def there(kernel: str, cores: tuple[int, ...], quota: float | None = None) -> Presence:
    return Presence(f"host-{kernel}", kernel, 7, sum(1 << c for c in cores), quota, ("0",))


def test_ranks_of_a_kernel_are_a_node_and_share_its_cores() -> None:
    everybody = [
        there("a", (0, 1, 2, 3)),
        there("b", tuple(range(64))),
        there("a", (0, 1, 2, 3)),
        there("c", (0, 1)),  # the launcher has bound these two to two cores each
        there("c", (2, 3)),
        there("d", tuple(range(64)), quota=2.5),
        there("d", tuple(range(64)), quota=2.5),
        there("d", tuple(range(64)), quota=2.5),
    ]
    found = located(everybody)
    assert [rank.number for rank in found] == [*range(8)]
    assert [rank.node for rank in found] == [0, 1, 0, 2, 2, 3, 3, 3]
    assert [rank.cores for rank in found] == [4, 64, 4, 4, 4, 2, 2, 2]
    assert [rank.threads for rank in found] == [2, 64, 2, 2, 2, 1, 1, 1]
    assert {rank.host for rank in found} == {"host-a", "host-b", "host-c", "host-d"}


def test_a_process_knows_its_own_presence() -> None:
    own = Presence.own()
    assert own.pid == os.getpid()
    assert own.kernel
    assert own.cores > 0
    assert Presence.own() == own


def staff(*nodes: tuple[int, tuple[str, ...]]) -> RankStaff:
    """Ranks from 1 on, each with its node's number and GPUs."""
    ranks = {
        number: Rank(number, f"host{node}", 1000 + number, node, 2, gpus)
        for number, (node, gpus) in enumerate(nodes, start=1)
    }
    world: Any = SimpleNamespace(ranks=ranks, free=set(ranks), lost=set())
    loop: Any = None
    return RankStaff(world, Site(None, Path(), 0), 0.0, (), loop)


def hired(found: RankStaff, *specs: PoolSpec) -> dict[str, tuple[int, str, str]]:
    pools = [Pool(spec, {}) for spec in specs]
    found.hire(pools, 0)
    seats = [seat for each in pools for seat in each.seats]
    return {seat.name: (seat.rank.number, seat.device, seat.gpus) for seat in seats}


def test_gpus_are_shared_in_order_and_plain_workers_see_none() -> None:
    found = staff((0, ("0", "1")), (0, ("0", "1")), (1, ()), (0, ("0", "1")))
    gpu = pool("gpu", count=2, resources=Resources(gpus=1))
    assert hired(found, pool("plain", count=2), gpu) == {
        "gpu-0": (1, "cuda:0", "0"),
        "gpu-1": (2, "cuda:0", "1"),
        "plain-0": (3, "cpu", ""),
        "plain-1": (4, "cpu", ""),
    }


def test_a_share_lies_on_one_gpu_and_names_are_the_launcher_s() -> None:
    found = staff(*[(0, ("GPU-a", "GPU-b"))] * 4)
    shares = pool("half", count=2, resources=Resources(gpus=0.6))
    assert [gpus for _, _, gpus in hired(found, shares).values()] == ["GPU-a", "GPU-b"]
    found = staff(*[(0, ("GPU-a", "GPU-b"))] * 4)
    shares = pool("half", count=4, resources=Resources(gpus=0.5))
    assert [g for _, _, g in hired(found, shares).values()] == ["GPU-a"] * 2 + ["GPU-b"] * 2
    found = staff(*[(0, ("3", "5"))] * 2)
    both = pool("both", resources=Resources(gpus=2))
    assert hired(found, both) == {"both-0": (1, "cuda:0", "3,5")}


def test_ranks_that_the_launcher_has_bound_use_their_own() -> None:
    found = staff((0, ("0",)), (0, ("1",)), (0, ("0",)), (0, ("1",)))
    gpu = pool("gpu", count=2, resources=Resources(gpus=1))
    taken = Pool(gpu, {})
    found.hire([taken], 0)
    assert [(s.rank.number, s.gpus) for s in taken.seats] == [(1, "0"), (2, "1")]
    assert found.take_spare(taken.seats[1])
    assert taken.seats[1].rank.number == 4  # not 3, which sees another GPU


def test_nodes_are_filled_in_order_and_a_whole_gpu_is_not_one_that_is_shared() -> None:
    found = staff((0, ("0", "1")), (0, ("0", "1")), (1, ("0",)), (0, ("0", "1")))
    half = pool("half", resources=Resources(gpus=0.5))
    whole = pool("whole", count=2, resources=Resources(gpus=1))
    assert hired(found, half, whole) == {
        "half-0": (1, "cuda:0", "0"),
        "whole-0": (2, "cuda:0", "1"),
        "whole-1": (3, "cuda:0", "0"),
    }


def test_too_few_gpus_are_told() -> None:
    found = staff((0, ("0",)), (0, ("0",)))
    with pytest.raises(RunError, match="pool 'gpu' wants 1 GPUs, and no node"):
        hired(found, pool("gpu", count=2, resources=Resources(gpus=1)))


def test_a_spare_rank_with_the_same_gpus_takes_a_lost_one_s_place() -> None:
    found = staff((0, ("0",)), (1, ()), (0, ("0",)))
    fragile = Pool(pool("gpu", resources=Resources(gpus=1)), {})
    found.hire([fragile], 0)
    (seat,) = fragile.seats
    assert found.take_spare(seat)
    assert seat.rank.number == 3
    assert not found.take_spare(seat)
