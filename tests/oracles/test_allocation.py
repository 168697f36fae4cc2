"""What schedulers say of a job, and disjoint shares of it."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.core.errors import ConfigError
from querist.core.tasks import Resources
from querist.oracles.allocation import Allocation, Node, expand_hosts, is_this_host


def nodes(count: int, cores: int, gpus: int = 0) -> Allocation:
    ids = tuple(map(str, range(gpus)))
    return Allocation(tuple(Node(f"n{i}", tuple(range(cores)), ids) for i in range(count)))


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("login1", ["login1"]),
        ("a1,b2", ["a1", "b2"]),
        ("nid[001-003,007],gpu1", ["nid001", "nid002", "nid003", "nid007", "gpu1"]),
        ("r[1-2]n[08-09]", ["r1n08", "r1n09", "r2n08", "r2n09"]),
        ("a[1-2].site", ["a1.site", "a2.site"]),
    ],
)
def test_lists_of_hosts_are_expanded(text: str, hosts: list[str]) -> None:
    assert expand_hosts(text) == hosts


def test_slurm_is_read() -> None:
    told = {
        "SLURM_JOB_NODELIST": "nid[1-3],big1",
        "SLURM_JOB_CPUS_PER_NODE": "4(x3),8",
        "SLURM_GPUS_ON_NODE": "2",
    }
    found = Allocation.found(told)
    assert [node.name for node in found.nodes] == ["nid1", "nid2", "nid3", "big1"]
    assert [len(node.cores) for node in found.nodes] == [4, 4, 4, 8]
    assert found.nodes[0].gpus == ("0", "1")
    assert found.describe() == "SLURM (3 x 4 cores and 2 GPUs, 1 x 8 cores and 2 GPUs)"
    with pytest.raises(ConfigError, match=r"names 4 nodes .* holds 1 numbers"):
        Allocation.found({**told, "SLURM_JOB_CPUS_PER_NODE": "4"})


def test_pbs_and_lsf_are_read(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("a\na\nb\nb\n")
    found = Allocation.found({"PBS_NODEFILE": str(hosts)})
    assert [(node.name, len(node.cores)) for node in found.nodes] == [("a", 2), ("b", 2)]
    found = Allocation.found({"PBS_NODEFILE": str(hosts), "NCPUS": "16"})
    assert [len(node.cores) for node in found.nodes] == [16, 16]
    found = Allocation.found({"LSB_MCPU_HOSTS": "batch1 1 h1 42 h2 42"})
    assert [(node.name, len(node.cores)) for node in found.nodes] == [("h1", 42), ("h2", 42)]
    found = Allocation.found({"LSB_DJOB_HOSTFILE": str(hosts)})
    assert [len(node.cores) for node in found.nodes] == [2, 2]
    with pytest.raises(ConfigError, match="list of hosts cannot be read"):
        Allocation.found({"PBS_NODEFILE": str(tmp_path / "none")})


def test_flux_is_asked(tmp_path: Path) -> None:
    flux = tmp_path / "flux"
    flux.write_text("#!/bin/sh\necho 'c[1-2] 16 4'\n")
    flux.chmod(0o755)
    found = Allocation.found({"FLUX_URI": "local:x", "PATH": f"{tmp_path}:{os.environ['PATH']}"})
    assert found.describe() == "Flux (2 x 8 cores and 2 GPUs)"


def test_without_a_scheduler_it_is_this_machine() -> None:
    found = Allocation.found({"CUDA_VISIBLE_DEVICES": "3,5"})
    (node,) = found.nodes
    assert node.cores == tuple(sorted(os.sched_getaffinity(0)))
    assert node.gpus == ("3", "5")
    assert is_this_host(node.name)
    assert is_this_host(platform.node() + ".site.org")
    assert not is_this_host("another")


def test_several_shares_lie_on_a_node_and_never_meet() -> None:
    shares = nodes(2, 8, 4).shares([("sim", Resources(ranks=2, cores=2, gpus=2), 4)])["sim"]
    assert [(s.nodes[0].name, s.nodes[0].cores, s.nodes[0].gpus) for s in shares] == [
        ("n0", (0, 1, 2, 3), ("0", "1")),
        ("n0", (4, 5, 6, 7), ("2", "3")),
        ("n1", (0, 1, 2, 3), ("0", "1")),
        ("n1", (4, 5, 6, 7), ("2", "3")),
    ]


def test_a_share_across_nodes_has_them_whole_and_comes_first() -> None:
    wanted = [("small", Resources(), 4), ("large", Resources(nodes=2, ranks=4, cores=1), 1)]
    shares = nodes(3, 4).shares(wanted)
    assert [node.name for node in shares["large"][0].nodes] == ["n0", "n1"]
    assert shares["large"][0].nodes[0].cores == (0, 1)
    assert {share.nodes[0].name for share in shares["small"]} == {"n2"}


def test_half_a_gpu_is_shared_by_two() -> None:
    shares = nodes(1, 4, 2).shares([("sim", Resources(gpus=0.5), 4)])["sim"]
    assert [share.nodes[0].gpus for share in shares] == [("0",), ("0",), ("1",), ("1",)]
    shares = nodes(1, 4, 3).shares([("sim", Resources(gpus=0.7), 3)])["sim"]
    assert [share.nodes[0].gpus for share in shares] == [("0",), ("1",), ("2",)]


def test_what_does_not_fit_is_refused_in_words() -> None:
    with pytest.raises(ConfigError) as caught:
        nodes(2, 4).shares([("sim", Resources(ranks=3, gpus=0), 3)])
    assert "'sim' has 3 workers" in str(caught.value)
    assert "3 ranks x 1 cores on one node" in str(caught.value)
    assert "only 2 of them fit into this machine (2 x 4 cores)" in str(caught.value)
    with pytest.raises(ConfigError, match="on each of 3 nodes, but only 0"):
        nodes(2, 4).shares([("sim", Resources(nodes=3, ranks=3), 1)])


def test_campaigns_share_a_job_by_parts() -> None:
    halves = [nodes(4, 8).part(f"{i}/2") for i in (1, 2)]
    assert [[node.name for node in half.nodes] for half in halves] == [["n0", "n1"], ["n2", "n3"]]
    quarter = nodes(1, 8, 4).part("2/4").nodes[0]
    assert (quarter.cores, quarter.gpus) == ((2, 3), ("1",))
    assert nodes(2, 8).without(3).nodes[0].cores == (3, 4, 5, 6, 7)
    for wrong in ("3/2", "0/2", "half", "1/0"):
        with pytest.raises(ConfigError, match="written like '1/4'"):
            nodes(1, 8).part(wrong)
    with pytest.raises(ConfigError, match="cannot be divided into 9 parts"):
        nodes(1, 8).part("1/9")


@given(
    st.integers(1, 4),
    st.integers(1, 12),
    st.integers(0, 4),
    st.lists(
        st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(1, 3), st.integers(0, 2)),
        min_size=1,
        max_size=4,
    ),
    st.integers(1, 3),
)
def test_shares_never_overlap(count, cores, gpus, sizes, workers) -> None:
    wanted = [
        (f"o{i}", Resources(nodes=n, ranks=n * r, cores=c, gpus=n * g), workers)
        for i, (n, r, c, g) in enumerate(sizes)
    ]
    try:
        shares = nodes(count, cores, gpus).shares(wanted)
    except ConfigError:
        return
    taken: set[tuple[str, str, object]] = set()
    for name, resources, _ in wanted:
        assert len(shares[name]) == workers
        for share in shares[name]:
            assert len(share.nodes) == resources.nodes
            for node in share.nodes:
                assert len(node.cores) == resources.ranks // resources.nodes * resources.cores
                assert len(node.gpus) == resources.gpus / resources.nodes
                used = {(node.name, "core", core) for core in node.cores}
                used |= {(node.name, "gpu", gpu) for gpu in node.gpus}
                assert not used & taken
                taken |= used
