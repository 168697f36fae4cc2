"""Plans and worlds for the controller's tests."""

from __future__ import annotations

from hypothesis import strategies as st

from querist.control.gate import LimitRule
from querist.control.plan import OraclePlan, OrderRule, Plan, RetryRule
from querist.control.policy import StandardPolicy
from querist.control.retrain import EveryLabels, GrowingBy, OnErrorGrowth, WhenIdle
from querist.control.rules import Never, Rule
from querist.control.stop import (
    ChangeBelow,
    ErrorBelow,
    ErrorConverged,
    GainBelow,
    Labels,
    MeanUncertaintyBelow,
    SelectedErrorBelow,
    UncertaintyBelow,
    WallTime,
)
from querist.core.events import Fact, Interrupted, Posted, StoreBroken
from querist.testing.control import Crash, World

F = OraclePlan("f")


def plan(**changed) -> Plan:
    """A small campaign; `retrain` and `stop` are rules."""
    retrain = changed.pop("retrain", EveryLabels(10))
    stop = changed.pop("stop", Never())
    routes = changed.pop("routes", ())
    plain = {
        "oracles": (F,),
        "policy": StandardPolicy(retrain, stop, routes),
        "explorers": 2,
        "initial": 6,
        "labels": 30,
        "limits": LimitRule(quantile=0.3, at_least=10),
        "error_metric": "y.mae",
        "retry": RetryRule(give_up=1000),
    }
    return Plan(**{**plain, **changed})


def facts(kind: str, facts: list[Fact]) -> list[Fact]:
    return [fact for fact in facts if fact.kind == kind]


def imported(count: int, purpose: str = "train", level: str = "") -> Fact:
    data = {"t": 0.0, "count": count, "origin": "a.xyz", "level": level, "purpose": purpose}
    return Fact("labels.imported", data)


def given_weights(version: int = 1) -> Fact:
    data = {"t": 0.0, "version": version, "files": ["given"], "digest": "d", "dataset": 0}
    return Fact("model.published", {**data, "train": 0, "metrics": {}, "why": "given"})


shares = st.sampled_from([0.0, 0.0, 0.05, 0.2])

worlds = st.builds(
    World,
    oracle_workers=st.integers(1, 4),
    label_seconds=st.sampled_from([0.02, 0.3, 3.0]),
    slice_seconds=st.sampled_from([0.05, 1.0]),
    fit_seconds=st.sampled_from([0.1, 3.0]),
    sync_seconds=st.sampled_from([0.0, 0.02, 1.0]),
    refusals=shares,
    abstentions=shares,
    failures=shares,
    fit_failures=shares,
    deaths=shares,
    hangs=shares,
    streams=shares,
    noise=st.sampled_from([0.0, 0.3, 0.8]),
    crash=st.sampled_from([0.0, 0.0, 0.01, 0.05]),
    snapshots=st.sampled_from([0.0, 0.05, 0.3]),
    outbox=st.booleans(),
    universe=st.sampled_from([15, 100, 10_000]),
    walkers=st.integers(1, 5),
    slices=st.sampled_from([None, 20]),
    cost=st.sampled_from([None, 0.1, 1.0]),
)

oracles = st.builds(
    OraclePlan,
    st.just("f"),
    batch=st.integers(1, 4),
    timeout=st.sampled_from([None, 0.5, 5.0]),
    cost=st.sampled_from([None, 0.1, 2.0]),
)
SECOND = OraclePlan("g", cost=0.05)
PERSON = OraclePlan("person", outside=3)

retraining: st.SearchStrategy[Rule] = st.sampled_from(
    [
        EveryLabels(7),
        GrowingBy(0.3),
        WhenIdle(2),
        OnErrorGrowth(0.5) | EveryLabels(20),
        EveryLabels(3) & WhenIdle(4),
    ]
)
stopping: st.SearchStrategy[Rule] = st.sampled_from(
    [
        Never(),
        Labels(12),
        WallTime(9.0) & Labels(3),
        ErrorBelow("y.mae", 0.4),
        ErrorConverged("y.mae", 0.2),
        UncertaintyBelow(0.3, at_least=20),
        ChangeBelow("y", 0.4) | MeanUncertaintyBelow("y", 0.2),
        GainBelow("y.mae", 0.5, labels=10, window=2),
        SelectedErrorBelow(0.4),
    ]
)


ordering = st.one_of(
    st.none(),
    st.builds(
        OrderRule,
        batch=st.sampled_from([1, 6]),
        least=st.sampled_from([1, 50]),
        wait=st.sampled_from([None, 0.0, 1.0]),
        rounds=st.booleans(),
    ),
)


@st.composite
def plans(draw) -> Plan:
    """Campaigns that end: their labels, cost and time are bounded."""
    first, more = draw(oracles), draw(st.sampled_from([(), (SECOND,), (PERSON,), (SECOND, PERSON)]))
    routes = draw(st.sampled_from([(), (("f", 0.0), ("g", 0.3))])) if SECOND in more else ()
    if PERSON in more:
        routes = (*(routes or (("f", 0.0),)), ("person", 0.4))
    return plan(
        oracles=(first, *more),
        routes=routes,
        retrain=draw(retraining),
        stop=draw(stopping),
        explorers=draw(st.integers(1, 3)),
        trainers=draw(st.integers(0, 2)),
        members=draw(st.integers(1, 3)),
        initial=draw(st.sampled_from([0, 1, 8])),
        holdout=draw(st.sampled_from([0.0, 0.1, 0.5])),
        calibration=draw(st.sampled_from([0.0, 0.2])),
        max_queue=draw(st.sampled_from([2, 1000])),
        max_fresh=draw(st.sampled_from([None, 5])),
        retry=RetryRule(draw(st.integers(1, 3)), 0.2, draw(st.sampled_from([5, 1000]))),
        final_fit=draw(st.booleans()),
        labels=draw(st.sampled_from([5, 30])),
        cost=draw(st.sampled_from([float("inf"), 2.0, 20.0])),
        seconds=draw(st.sampled_from([10.0, 40.0])),
        ordering=draw(ordering),
    )


def posted(draw, number: int):
    kind = draw(
        st.sampled_from(
            ["pause", "set", "stop", "lease", "answer", "abstain", "withdraw", "nonsense"]
        )
    )
    data = {}
    if kind == "set":
        name = draw(st.sampled_from(["labels", "cost", "seconds", "threshold", "colour"]))
        data = {name: draw(st.sampled_from([0, 3, 40, 0.05, None, "many", float("nan"), -1]))}
        if name == "seconds":
            data = {name: draw(st.sampled_from([5.0, 100.0, "soon"]))}
    if kind in ("answer", "abstain", "withdraw"):
        data = {"question": draw(st.sampled_from(["unknown.f.0", None]))}
    return Posted(f"m{number}", kind, data)


@st.composite
def scripts(draw) -> list[tuple[float, object]]:
    """What users, schedulers and disks do, and when."""
    script: list[tuple[float, object]] = []
    for number in range(draw(st.integers(0, 4))):
        when = draw(st.floats(0.0, 30.0))
        what = draw(st.sampled_from(["post", "crash", "interrupt", "store", "post", "crash"]))
        if what == "post":
            message = posted(draw, number)
            script.append((when, message))
            if message.kind == "pause":
                script.append((when + draw(st.floats(0.1, 5.0)), Posted(f"r{number}", "resume")))
        elif what == "crash":
            script.append((when, Crash()))
        elif what == "interrupt":
            script.append((when, Interrupted("Ctrl-C", draw(st.sampled_from([0.0, 0.5, 3.0])))))
        elif draw(st.booleans()):
            script.append((when, StoreBroken("the disk is full")))
    return script
