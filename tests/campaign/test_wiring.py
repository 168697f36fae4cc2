"""Settings to the plan of a controller and the pools of an engine."""

from __future__ import annotations

import math
from typing import Any

import pytest
from campaign_roles import Line
from test_loading import LARGE, SMALL

from querist.campaign.campaign import Campaign
from querist.campaign.handlers.split import Split
from querist.campaign.loading import parse_settings
from querist.campaign.settings import CampaignSettings
from querist.campaign.wiring import generators_of, model_factory, plan, policy, pools
from querist.control.gate import LimitRule
from querist.control.plan import OraclePlan, RetryRule
from querist.control.retrain import EveryLabels
from querist.control.stop import Labels
from querist.core.errors import ConfigError
from querist.core.tasks import PoolSpec


def settings(**changes: Any) -> CampaignSettings:
    return parse_settings({**SMALL, **changes}, "here")


def test_the_plan_says_what_the_settings_say() -> None:
    made = plan(settings(**{k: v for k, v in LARGE.items() if k not in ("policy", "model")}))
    assert made.oracles == (
        OraclePlan("cheap", 4, 5.0),
        OraclePlan("dear", 1, None, 2.5),
        OraclePlan("people", outside=5),
    )
    assert made.limits == LimitRule(0.1, None, 9.0)
    assert (made.explorers, made.trainers, made.seed) == (2, 2, 3)
    assert (made.labels, made.cost, made.seconds) == (10, 3.5, 60.0)
    assert made.retry == RetryRule(3, 0.0, 2)
    assert (made.max_queue, made.max_fresh) == (10, 4)
    assert (made.slice_steps, made.slice_seconds) == (10, None)
    assert made.error_metric == "forces.rmse"
    assert (made.holdout, made.calibration) == (0.0, 0.1)  # there is a fixed test set


def test_what_is_not_said_is_not_limited() -> None:
    made = plan(settings(budget={}, stop={"labels": 1}))
    assert (made.labels, made.cost, made.seconds) == (math.inf, math.inf, None)
    assert made.error_metric == "y.mae"
    assert made.holdout == 0.1


def test_inline_slices_are_short_and_do_not_look_at_the_clock() -> None:
    made = plan(settings(engine="inline"))
    assert (made.slice_steps, made.slice_seconds) == (50, None)


def test_a_generator_s_state_has_its_own_name_whoever_runs_it() -> None:
    def states(explorers: int) -> list[tuple[str, ...]]:
        made = pools(settings(generators=["campaign_roles:Line"] * 3, explorers=explorers))
        return [p.handler.options["states"] for p in made if p.name.startswith("explorer")]

    assert states(1) == [("generator0.0", "generator1.0", "generator2.0")]
    assert states(2) == [("generator0.0", "generator2.0"), ("generator1.0",)]
    assert states(4) == [
        ("generator0.0",), ("generator1.0",), ("generator2.0",), ("generator0.1",)
    ]  # fmt: skip


def test_a_committee_is_shared_by_several_trainers() -> None:
    committee = {"use": "random_features", "options": {"members": 6}}
    assert plan(settings(model=committee, trainers=3)).members == 6
    assert plan(settings(model=committee, trainers=1)).members == 6  # others may join it
    assert plan(settings(model="campaign_roles:Mean", trainers=2)).members == 1


def test_the_policy_has_the_rules_and_routes() -> None:
    oracles = {name: {"use": "campaign_roles:Picky"} for name in ("a", "b", "c")}
    routes = {"c": 0.9, "b": 0.2}
    made = policy(
        settings(oracles=oracles, routes=routes, retrain={"every_labels": 3}, stop={"labels": 4})
    )
    assert (made.retrain, made.stop) == (EveryLabels(3), Labels(4))
    assert made.routes == (("b", 0.2), ("c", 0.9))
    own = policy(settings(policy="campaign_roles:Line"))
    assert isinstance(own, Line)


def test_there_is_a_pool_for_each_explorer_oracle_and_the_trainers() -> None:
    config = {k: v for k, v in LARGE.items() if k not in ("policy", "gate")}
    found = {pool.name: pool for pool in pools(settings(**config))}
    assert list(found) == [
        "explorer.0",
        "explorer.1",
        "oracle.cheap",
        "oracle.dear",
        "trainer",
    ]
    assert found["oracle.cheap"].count == 3
    assert found["oracle.cheap"].resources.memory_mb == 100
    assert found["oracle.dear"].handler.options["level"] == "ccsd"
    assert found["oracle.dear"].handler.options["validator"] is not None
    assert found["trainer"].count == 2
    states = [found[f"explorer.{i}"].handler.options["states"] for i in (0, 1)]
    assert states == [("generator0.0",), ("generator1.0",)]
    assert "trainer" not in {pool.name for pool in pools(settings(trainers=0))}


@pytest.mark.parametrize(
    "explorers, shares", [(1, ["abc"]), (2, ["ac", "b"]), (3, ["a", "b", "c"]), (5, list("abcab"))]
)
def test_generators_are_shared_out_to_explorers(explorers: int, shares: list[str]) -> None:
    made = settings(generators=[f"{name}:X" for name in "abc"], explorers=explorers)
    found = [generators_of(made, slot, explorers) for slot in range(explorers)]
    assert ["".join(f.target[0] for f in share) for share in found] == shares


def test_the_calibrator_is_around_the_model() -> None:
    made = model_factory(settings(calibrate={"method": "isotonic"}))
    assert made.target == "querist.campaign.calibrated:calibrated"
    assert made.options["model"].target.endswith(":RandomFeatures")
    assert made.options["output"] == "y"
    assert model_factory(settings()).target.endswith(":RandomFeatures")


def test_explorers_that_share_a_generator_with_a_seed_walk_different_paths() -> None:
    options = {"low": [0.0], "high": [1.0], "seed": 7}
    settings = Campaign(
        generator={"use": "uniform", "options": options},
        model="random_features",
        oracle=len,
        output="y",
        budget={"labels": 1},
        explorers=3,
    ).settings
    seeds = [generators_of(settings, slot, 3)[0].options["seed"] for slot in range(3)]
    assert seeds == [7, 8, 9]


def split(**placement) -> dict[str, PoolSpec]:
    made = settings(
        generators=[f"{name}:X" for name in "abc"],
        engine="mpi",
        placement={"kind": "split", **placement},
        gpus={"explorers": 0.5},
    )
    assert plan(made).explorers == (1 if placement["by"] == "member" else placement["predictors"])
    return {pool.name: pool for pool in pools(made) if pool.party}


def test_replicas_have_a_party_each_and_share_the_generators() -> None:
    found = split(by="replica", generators=5, predictors=2, max_batch=7, max_wait=0.5)
    assert [(p.name, p.count, p.party, p.resources.gpus) for p in found.values()] == [
        ("explorer.0", 1, "explorer.0", 0.5),
        ("generator.0", 3, "explorer.0", 0.0),
        ("explorer.1", 1, "explorer.1", 0.5),
        ("generator.1", 2, "explorer.1", 0.0),
    ]
    handler = found["generator.0"].handler.options
    assert [f.target[0] for rank in handler["generators"] for f in rank] == ["a", "c", "b"]
    assert handler["states"] == [("generator0.0",), ("generator2.0",), ("generator1.1",)]
    told = found["explorer.1"].handler.options["split"]
    assert told == Split(1, (1, 1), 0, 7, 0.5)
    assert told.generator_ranks == ("generator.1-0", "generator.1-1")
    assert told.lead == "explorer.1-0"


def test_members_are_spread_over_further_predictors_of_one_party() -> None:
    found = split(by="member", generators=2, predictors=3)
    assert [(p.name, p.count, p.resources.gpus) for p in found.values()] == [
        ("explorer.0", 1, 0.5),
        ("generator.0", 2, 0.0),
        ("predictor.0", 2, 0.5),
    ]
    assert found["explorer.0"].handler.options["split"].generators == (2, 1)
    assert {p.party for p in found.values()} == {"explorer.0"}


def test_a_replica_without_generators_is_refused() -> None:
    with pytest.raises(ConfigError, match="need a rank of generators each"):
        split(by="replica", generators=2, predictors=3)


CANDIDATES = {"use": "candidates", "options": {"samples": "pool.npz"}}


@pytest.mark.parametrize(
    ("generators", "reserve"),
    [
        (CANDIDATES, 0.3),
        ([CANDIDATES, CANDIDATES], 0.3),
        ("querist.generators.candidates:Candidates", 0.3),
        ({**CANDIDATES, "options": {"samples": "pool.npz", "cyclic": True}}, 0.0),
        ([CANDIDATES, "uniform"], 0.0),
    ],
)
def test_of_a_finite_set_the_holdout_is_set_aside(generators: Any, reserve: float) -> None:
    shares = {"holdout": 0.2, "calibration": 0.1, "strategy": "random"}
    made = plan(settings(generators=generators, **shares))
    assert made.ordering is not None
    assert made.ordering.reserve == pytest.approx(reserve)
    tested = plan(settings(generators=generators, start={"test_set": "t.npz"}, **shares))
    assert tested.ordering is not None
    assert tested.ordering.reserve == pytest.approx(reserve / 3)
