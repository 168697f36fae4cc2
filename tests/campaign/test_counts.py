"""Counts of workers: fixed, shares, auto."""

from __future__ import annotations

import math
from itertools import combinations, pairwise
from typing import Any

import pytest
from campaign_roles import Line
from hypothesis import given
from hypothesis import strategies as st
from test_loading import SMALL

from querist.campaign.campaign import Campaign
from querist.campaign.counts import Wanted, open_counts, resolved, shared_out, told
from querist.campaign.loading import parse_settings
from querist.campaign.settings import CampaignSettings, Share
from querist.campaign.wiring import plan, pools
from querist.core.errors import ConfigError

SHARES = st.floats(0.1, 50)
SIZES = st.sampled_from([1, 1, 2, 8])
FIXED = st.builds(
    Wanted, count=st.integers(0, 20), gpus=st.sampled_from([0.0, 0.5, 1.0]), size=SIZES
)
SHARING = st.builds(Wanted, share=SHARES, most=st.sampled_from([math.inf, 1, 3, 10]), size=SIZES)
HUNGRY = st.builds(
    Wanted, share=SHARES, gpus=st.sampled_from([0.0, 0.25, 1.0, 2.0]), size=st.just(1)
)
POOLS = st.dictionaries(st.text(max_size=3), FIXED | SHARING | HUNGRY, max_size=6)


@given(wanted=POOLS, workers=st.integers(0, 200), gpus=st.sampled_from([0, 1, 4, math.inf]))
def test_counts_fit_and_all_that_can_be_used_is_used(wanted, workers, gpus) -> None:
    counts = shared_out(wanted, workers, gpus)
    least = {name: 1 if w.count is None else w.count for name, w in wanted.items()}
    assert list(counts) == list(wanted)

    def taken(found: dict[str, int], what: str) -> float:
        return sum(found[name] * getattr(w, what) for name, w in wanted.items())

    assert taken(counts, "size") <= max(workers, taken(least, "size"))
    assert taken(counts, "gpus") <= max(gpus, taken(least, "gpus")) + 1e-6
    for name, w in wanted.items():
        assert counts[name] == w.count if w.count is not None else counts[name] >= 1
        assert counts[name] <= max(w.most, least[name])
    can_grow = [
        w
        for name, w in wanted.items()
        if w.count is None
        and counts[name] < w.most
        and (w.gpus == 0 or taken(counts, "gpus") + w.gpus <= gpus)
    ]
    assert not can_grow or taken(counts, "size") + max(w.size for w in can_grow) > workers


@given(wanted=POOLS, workers=st.integers(0, 100), gpus=st.sampled_from([0, 3, math.inf]))
def test_nobody_gets_fewer_where_there_are_more(wanted, workers, gpus) -> None:
    fewer, more = shared_out(wanted, workers, gpus), shared_out(wanted, workers + 1, gpus)
    assert all(fewer[name] <= more[name] for name in wanted)


@given(shares=st.lists(SHARES, min_size=1, max_size=6), workers=st.integers(1, 300))
def test_no_worker_would_be_better_elsewhere(shares, workers) -> None:
    counts = shared_out({str(i): Wanted(share=s) for i, s in enumerate(shares)}, workers)
    rows = list(zip(counts.values(), shares, strict=True))
    for (a, s), (b, t) in [pair for p in combinations(rows, 2) for pair in (p, p[::-1])]:
        if a > 1:  # the first is everybody's
            assert (a - 0.5) / s <= (b + 0.5) / t * (1 + 1e-9)


def test_large_numbers_are_in_proportion() -> None:
    wanted = {"a": Wanted(share=1), "b": Wanted(share=3), "c": Wanted(4)}
    assert shared_out(wanted, 404) == {"a": 100, "b": 300, "c": 4}


def settings(**changes: Any) -> CampaignSettings:
    return parse_settings({**SMALL, **changes}, "here")


def counted(workers: int, there: float = math.inf, **changes: Any) -> tuple[int, dict, int]:
    made = resolved(settings(**changes), workers, there)
    assert not open_counts(made)
    named = {name: oracle.workers for name, oracle in made.oracles.items()}
    return made.explorers, named, made.trainers  # type: ignore[return-value]


def oracles(**counts: Any) -> dict[str, Any]:
    return {name: {**SMALL["oracles"], "workers": count} for name, count in counts.items()}


COMMITTEE = {"use": "random_features", "options": {"members": 3}}
AUTO: dict[str, Any] = {
    "explorers": "auto",
    "oracles": oracles(a="auto"),
    "trainers": "auto",
    "model": COMMITTEE,
}


def test_auto_gives_most_to_the_oracles_and_trainers_to_a_committee() -> None:
    assert counted(3, **AUTO) == (1, {"a": 1}, 1)
    assert counted(7, **AUTO) == (2, {"a": 4}, 1)
    assert counted(63, **AUTO) == (15, {"a": 45}, 3)  # no more trainers than members
    one = {**AUTO, "model": "campaign_roles:Mean"}
    assert counted(64, **one) == (16, {"a": 47}, 1)
    two = {**AUTO, "oracles": oracles(a="auto", b="auto")}
    assert counted(71, **two) == (10, {"a": 29, "b": 29}, 3)


def test_a_split_explorer_has_its_own_counts() -> None:
    apart = {"engine": "mpi", "placement": "split", "oracles": oracles(a="auto")}
    made = resolved(settings(**apart), 17)
    assert (made.placement.generators, made.placement.predictors, made.explorers) == (4, 1, 1)
    assert made.oracles["a"].workers == 11
    both = {"kind": "split", "generators": {"share": 2}, "predictors": {"share": 1}}
    made = resolved(settings(**{**apart, "placement": both, "oracles": oracles(a=4)}), 17)
    assert (made.placement.generators, made.placement.predictors) == (8, 4)


def test_with_too_few_all_get_one_and_inline_too() -> None:
    assert counted(0, **AUTO) == counted(2, **AUTO) == (1, {"a": 1}, 1)


def test_shares_divide_what_fixed_counts_leave() -> None:
    shares = {"explorers": {"share": 1}, "oracles": oracles(a={"share": 4}, b=6)}
    assert counted(32, **shares) == (5, {"a": 20, "b": 6}, 1)
    only = {"explorers": 2, "oracles": oracles(a=4), "trainers": "auto", "model": COMMITTEE}
    assert counted(63, **only) == (2, {"a": 4}, 3)
    assert counted(7, **only) == (2, {"a": 4}, 1)


def test_what_is_outside_takes_no_worker() -> None:
    people = {"people": {"outside": 5, "workers": "auto"}, **oracles(a="auto")}
    assert counted(9, explorers="auto", oracles=people) == (2, {"people": 0, "a": 6}, 1)


def test_there_are_no_more_workers_than_gpus_for_them() -> None:
    gpus = {"gpus": {"explorers": 0.5, "trainers": 1}}
    assert counted(63, 4, **AUTO, **gpus) == (6, {"a": 56}, 1)
    assert counted(63, 0, **AUTO, **gpus) == (1, {"a": 61}, 1)  # which the engine will refuse
    made = settings(explorers=2, **gpus)
    assert {p.name: p.resources.gpus for p in pools(made)} == {
        "explorer.0": 0.5,
        "explorer.1": 0.5,
        "oracle.oracle": 0,
        "trainer": 1,
    }


@pytest.mark.parametrize("wrong", [-1, 1.5, math.inf, math.nan])
def test_no_worker_has_a_gpu_and_a_half(wrong: float) -> None:
    with pytest.raises(ConfigError, match=r"gpus\.explorers"):
        settings(gpus={"explorers": wrong})


def test_a_worker_that_computes_on_several_cores_counts_for_them_on_processes() -> None:
    wide = {**SMALL["oracles"], "workers": "auto", "resources": {"cores": 4}}
    changes = {"explorers": "auto", "oracles": {"a": wide}}
    assert counted(16, engine="processes", **changes) == (1, {"a": 3}, 1)
    assert counted(16, engine="mpi", **changes) == (4, {"a": 11}, 1)  # a rank is a rank
    on_gpus = {**wide, "resources": {"gpus": 0.5}}
    assert counted(16, 2, engine="mpi", **{**changes, "oracles": {"a": on_gpus}})[1] == {"a": 4}


def test_no_more_programs_than_fit_into_the_allocation() -> None:
    program = {"use": "parallel", "options": {"command": ["x"], "launcher": "srun"}}
    needed = {"ranks": 2, "cores": 4}
    allocation = {"nodes": ["n1", "n2"], "cores": 20}

    def found(**workers: Any) -> dict[str, int]:
        made = {n: {**program, "workers": w, "resources": needed} for n, w in workers.items()}
        return counted(63, engine="mpi", oracles=made, allocation=allocation)[1]

    assert found(a="auto") == {"a": 4}  # two on each node
    assert found(a="auto", b=1) == {"a": 3, "b": 1}
    assert found(a="auto", b={"share": 3}) == {"a": 2, "b": 2}
    assert found(a="auto", b=5) == {"a": 1, "b": 5}  # which will be refused


def test_plan_and_pools_have_the_numbers() -> None:
    made = resolved(settings(**AUTO), 16)
    assert (plan(made).explorers, plan(made).trainers, plan(made).members) == (4, 1, 3)
    counts = {spec.name: spec.count for spec in pools(made)}
    assert counts == {f"explorer.{i}": 1 for i in range(4)} | {"oracle.a": 11, "trainer": 1}
    assert (
        told(settings(**AUTO), made)
        == "explorers: 4 (auto), oracles.a: 11 (auto), trainers: 1 (auto)"
    )
    assert told(made, made) == ""


def test_settings_without_open_counts_stay_as_they_are() -> None:
    fixed = settings(explorers=2)
    assert resolved(fixed, 100) is fixed


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "many", True, {"share": 0}, {"part": 1}, None])
def test_what_is_no_count_is_refused_once(wrong: Any) -> None:
    with pytest.raises(ConfigError, match=r"explorers") as caught:
        settings(explorers=wrong)
    assert str(caught.value).count("explorers") == 1
    with pytest.raises(ConfigError, match=r"from 0 on, auto, or a share such as \{share: 3\}"):
        settings(trainers="many")


def test_they_round_trip_and_can_be_given_from_python() -> None:
    made = settings(explorers=Share(share=2), oracles=oracles(a={"share": 3}), trainers="auto")
    assert parse_settings(made.model_dump(mode="json"), "again").explorers == Share(share=2)
    assert open_counts(made) == {
        "explorers": "share 2",
        "oracles.a": "share 3",
        "trainers": "auto",
    }


def campaign(**changes: Any) -> Campaign:
    return Campaign(
        generators=[Line(), Line(start=0.5)],
        model="campaign_roles:Mean",
        oracles={"twice": {**SMALL["oracles"], "workers": "auto"}},
        output="y",
        explorers="auto",
        initial=4,
        **changes,
    )


@pytest.mark.slow
def test_a_run_is_staffed_anew_when_it_is_resumed(tmp_path, monkeypatch, capsys) -> None:
    cores = "querist.campaign.ranks.usable_cores"
    monkeypatch.setattr(cores, lambda: 9)
    first = campaign(budget={"labels": 8}).run(tmp_path / "run", progress="plain")
    assert "explorers: 2 (auto), oracles.twice: 6 (auto)" in capsys.readouterr().err
    epochs = [first.summary()["run"]]
    for count, labels in ((3, 12), (5, 16)):
        monkeypatch.setattr(cores, lambda count=count: count)
        made = campaign(budget={"labels": labels})
        result = made.resume(tmp_path / "run", progress=False)
        assert result.status == "finished", result.reason
        epochs.append(result.summary()["run"])
    counts = [sum(run["pools"].values()) for run in epochs]
    assert counts == [9, 3, 5]
    assert epochs[0]["staffing"] == "explorers: 2 (auto), oracles.twice: 6 (auto)"
    assert [a["resumes"] < b["resumes"] for a, b in pairwise(epochs)] == [True, True]
    assert "Shared out" in first.report().read_text()
