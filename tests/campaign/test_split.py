"""A split explorer: its lead here, its satellites in threads, messages in memory."""

from __future__ import annotations

import queue
import threading
import time
from collections import Counter, defaultdict
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
from campaign_roles import Bomb, Line, Mean, Waiting
from journals import sample

from querist.campaign.handlers.board import Board, Busy, Kind, RemoteFailure
from querist.campaign.handlers.explorer import Explorer
from querist.campaign.handlers.generating import Generating
from querist.campaign.handlers.split import Split
from querist.campaign.handlers.spread import Predicting, batches, members_of
from querist.control.gate import BandGate
from querist.core.batch import Batch
from querist.core.errors import ContractError, RunError
from querist.core.prediction import AnsweredSample, Prediction
from querist.core.roles import Limits
from querist.core.tasks import Factory, ModelRef, Task
from querist.testing.contexts import LoneContext

LEAD = "explorer.0-0"


class Net:
    """A party: names with lives, and queues between them."""

    def __init__(self) -> None:
        self.table: dict[str, int] = {}
        self.inboxes: dict[str, queue.SimpleQueue] = defaultdict(queue.SimpleQueue)
        self.lives: Counter[str] = Counter()

    def join(self, name: str) -> None:
        self.lives[name] += 1
        self.table = {**self.table, name: self.lives[name]}

    def leave(self, name: str) -> None:
        self.table = {n: life for n, life in self.table.items() if n != name}


class Link:
    """One worker's end."""

    def __init__(self, net: Net, name: str) -> None:
        self.net, self.name = net, name

    @property
    def peers(self):
        return self.net.table

    def send(self, to: str, data) -> None:
        if to in self.net.table:
            self.net.inboxes[to].put((self.name, bytearray(data)))

    def receive(self, seconds: float):
        found = []
        try:
            found.append(self.net.inboxes[self.name].get(timeout=min(seconds, 0.005) or 0.0001))
            while True:
                found.append(self.net.inboxes[self.name].get_nowait())
        except queue.Empty:
            return found


class Committee(Mean):
    """Four members around the mean; the deviation is the first input's magnitude."""

    loaded_members = 4
    asked: ClassVar[list[tuple[int, ...]]] = []

    def __init__(self) -> None:
        super().__init__()
        self.fails = False

    def predict_members(self, batch, members):
        if self.fails:
            raise ValueError("no")
        type(self).asked.append(tuple(members))
        x = np.asarray(batch["x"], np.float64)[:, 0]
        return tuple(Batch.stack(y=self.mean + (m - 1.5) * x) for m in members)

    def combine(self, batch, outputs) -> Prediction:
        values = np.stack([each["y"] for each in outputs])
        return Prediction(Batch.stack(y=values.mean(axis=0)), Batch.stack(y=values.std(axis=0)))

    def predict(self, batch) -> Prediction:
        return self.combine(batch, self.predict_members(batch, range(4)))


class Party:
    """An explorer with its ranks; each satellite lives in a thread until it is killed."""

    def __init__(self, worker, generators, predictors=0, model=Mean, **options) -> None:
        self.net, self.worker, self.model = Net(), worker, model
        self.split = Split(0, tuple(map(len, generators)), predictors, **options)
        self.generators = generators
        self.stops: dict[str, threading.Event] = {}
        self.handlers: dict[str, object] = {}
        self.threads: list[threading.Thread] = []
        for name in (*self.split.generator_ranks, *self.split.predictor_ranks):
            self.start(name)
        self.lead = self.start_lead()

    def context(self, name: str):
        link = Link(self.net, name)
        return replace(self.worker, name=name, index=int(name.rpartition("-")[2]), link=link)

    def start_lead(self) -> Explorer:
        lead = Explorer((), Factory(live=self.model()), BandGate("y"), split=self.split)
        lead.open(self.context(LEAD))
        self.net.join(LEAD)
        return lead

    def start(self, name: str) -> None:
        context, stop = self.context(name), threading.Event()
        if name.startswith("generator"):
            factories = [[Factory(live=g) for g in rank] for rank in self.generators]
            states = [[f"{i}.{j}" for j in range(len(r))] for i, r in enumerate(factories)]
            handler = Generating(factories, states, self.split)
        else:
            handler = Predicting(Factory(live=self.model()))
        handler.open(context)
        alone = LoneContext(context)
        alone.stop = stop.is_set
        thread = threading.Thread(target=handler.serve, args=(alone,), daemon=True)
        self.stops[name], self.handlers[name] = stop, handler
        self.threads.append(thread)
        self.net.join(name)
        thread.start()

    def kill(self, name: str) -> None:
        """It ends without a word; what it was sent is lost."""
        self.stops[name].set()
        self.threads = [t for t in self.threads if t.join(2.0) or t.is_alive()] or self.threads
        self.net.leave(name)
        self.net.inboxes[name] = queue.SimpleQueue()

    def walks(self, name: str, local: int = 0):
        return self.handlers[name]._keeper.generators[local]

    def run(self, ref, context, **more):
        payload = {"slot": 0, "limits": Limits(1e9), "steps": 10, "seconds": None, "initial": 0}
        payload |= {"model": ref, "answers": (), **more}
        return self.lead.run(Task("t", "explore", "explorer.0", payload), context)

    def end(self) -> None:
        for stop in self.stops.values():
            stop.set()
        for thread in self.threads:
            thread.join(2.0)


@pytest.fixture
def party(worker):
    """Makes parties; they end with the test."""
    made = []

    def make(*generators, **options) -> Party:
        ranks = [g if isinstance(g, list) else [g] for g in generators]
        made.append(Party(worker, ranks, **options))
        return made[-1]

    yield make
    for one in made:
        one.end()


@pytest.fixture
def ref(folder):
    """Published weights."""
    digest = folder.weights.save(1, "part0", {"mean": np.array(0.5)}, {})
    return ModelRef(1, (folder.weights.path(1, "part0").name,), digest)


def test_generators_on_other_ranks_step_together_and_are_told_apart(party, context, ref) -> None:
    lines = [Line(start=100.0 * i) for i in range(3)]
    group = party(lines[0], [lines[1], lines[2]], max_wait=0.05)
    result = group.run(ref, context, steps=20)
    assert result["steps"] == 20
    assert result["version"] == 1
    assert result["proposed"] > 40  # up to three in a step
    walked = [
        group.walks("generator.0-0").x,
        group.walks("generator.0-1").x - 100,
        group.walks("generator.0-1", 1).x - 200,
    ]
    assert min(walked) >= 10
    assert result["walkers"].tolist() == []
    asked = group.run(ref, context, limits=Limits(-1.0))
    assert set(asked["walkers"].tolist()) == {0, 1, 2}
    assert asked["candidates"]["x"].ravel().tolist() == asked["scores"].tolist()


def test_a_slow_rank_holds_back_nobody(party, context, ref) -> None:
    group = party(Line(pause=0.4), Line(), max_wait=0.001)
    group.run(ref, context, steps=200)
    assert group.walks("generator.0-1").x > 20 * max(1.0, group.walks("generator.0-0").x)


def test_before_there_is_a_model_samples_come_from_all_ranks(party, context) -> None:
    group = party(Line(), [Line(start=10.0), Line(start=20.0)])
    result = group.run(ModelRef(0), context, initial=6)
    assert sorted(result["candidates"]["x"].ravel().tolist()) == [0, 1, 10, 11, 20, 21]
    assert result["walkers"].tolist() == [0, 0, 1, 1, 2, 2]


def test_answers_reach_their_generator_and_wake_those_that_wait(party, context, ref) -> None:
    group = party(Waiting(), Waiting(start=10.0))
    first = group.run(ref, context)
    assert (first["waiting"], first["exhausted"]) == (True, False)
    told = AnsweredSample(1, sample(3), {"y": np.array(1.0)})  # walker 0 of generator 1
    assert group.run(ref, context, answers=(told,))["waiting"] is True
    assert [a.sample.id for a in group.walks("generator.0-1").seen] == [told.sample.id]
    assert group.walks("generator.0-0").seen == []
    assert (group.walks("generator.0-0").x, group.walks("generator.0-1").x) == (1.0, 12.0)


def test_what_a_generator_raises_fails_the_slice_with_its_traceback(party, context, ref) -> None:
    bomb = Bomb()
    group = party(bomb, Line())
    with pytest.raises(RemoteFailure, match="boom") as caught:
        group.run(ref, context, steps=100)
    assert "generator.0-0" in str(caught.value)
    assert 'raise RuntimeError("boom")' in caught.value.__notes__[0]
    group.walks("generator.0-0").live = False
    group.run(ref, context, steps=20)
    assert group.walks("generator.0-0").x > 1


def test_exhausted_generators_say_so(party, context, ref) -> None:
    first, second = Line(last=1), Line(last=2)
    first.exhausted = second.exhausted = True
    group = party(first, second)
    result = group.run(ref, context)
    assert (result["waiting"], result["exhausted"]) == (True, True)


def test_the_successor_of_a_lost_rank_goes_on_where_it_was_saved(party, context, ref) -> None:
    group = party(Line(), Line(start=100.0))
    group.run(ref, context, steps=30)
    before = group.walks("generator.0-0").x
    group.kill("generator.0-0")
    group.run(ref, context, steps=10)  # the other goes on alone
    group.start("generator.0-0")
    group.run(ref, context, steps=60)
    assert group.walks("generator.0-0").x > 1
    assert group.walks("generator.0-0") is not None
    assert before > 1


def test_a_new_lead_finds_the_generators_of_the_old_one(party, context, ref) -> None:
    group = party(Line(), Line())
    group.run(ref, context, steps=10)
    group.net.leave(LEAD)
    group.net.inboxes[LEAD] = queue.SimpleQueue()
    before = group.walks("generator.0-0").x
    group.lead = Explorer((), Factory(live=Mean()), BandGate("y"), split=group.split)
    group.lead.open(group.context(LEAD))
    time.sleep(0.05)  # the satellites see that nobody leads
    group.net.join(LEAD)
    assert group.run(ref, context, steps=20)["steps"] == 20
    assert group.walks("generator.0-0").x > before


def test_a_committee_is_spread_by_member(party, context, ref) -> None:
    Committee.asked = []
    group = party(Line(start=1.0), predictors=2, model=Committee)
    result = group.run(ref, context, limits=Limits(-1.0), steps=1)
    assert result["scores"][0] == pytest.approx(np.std([-1.5, -0.5, 0.5, 1.5]))
    assert sorted(Committee.asked[-3:]) == [(0, 3), (1,), (2,)]


def test_without_a_lost_predictor_the_lead_predicts_for_it(party, context, ref) -> None:
    group = party(Line(start=1.0), predictors=1, model=Committee)
    group.run(ref, context, steps=3)
    group.kill("predictor.0-0")
    Committee.asked = []
    assert group.run(ref, context, steps=3)["steps"] == 3
    assert set(Committee.asked) == {(0, 1, 2, 3)}
    group.start("predictor.0-0")
    Committee.asked = []
    group.run(ref, context, steps=3)
    assert {(0, 2), (1, 3)} <= set(Committee.asked)


def test_a_predictor_lost_in_the_middle_of_a_step_costs_nothing(party, context, ref) -> None:
    group = party(Line(start=1.0), predictors=1, model=Committee)
    group.run(ref, context, steps=1)
    group.stops["predictor.0-0"].set()  # it hears nothing any more, and nobody knows yet
    for thread in group.threads[1:]:
        thread.join(2.0)
    threading.Timer(0.2, lambda: group.net.leave("predictor.0-0")).start()
    assert group.run(ref, context, steps=3)["steps"] == 3


def test_what_a_predictor_raises_fails_the_slice(party, context, ref) -> None:
    group = party(Line(start=1.0), predictors=1, model=Committee)
    group.run(ref, context, steps=1)
    model = group.handlers["predictor.0-0"]._model.model
    model.fails = True
    with pytest.raises(RemoteFailure, match=r"ValueError: no \(in predictor.0-0\)"):
        group.run(ref, context, steps=3)
    model.fails = False
    assert group.run(ref, context, steps=3)["steps"] == 3


def test_answers_to_a_round_that_has_failed_are_passed_over(party, context, ref) -> None:
    group = party(Line(), predictors=1, model=Committee)
    group.run(ref, context, steps=5)
    answer = batches(Kind.PREDICTED, 1, [Batch.stack(y=[9.0])])
    Link(group.net, "predictor.0-0").send(LEAD, answer)
    assert group.run(ref, context, steps=20)["steps"] == 20
    assert group.walks("generator.0-0").x > 10


def test_what_other_ranks_worked_is_told_by_slice(party, context, ref) -> None:
    group = party(Line(start=1.0, pause=0.01), predictors=1, model=Committee)
    assert group.run(ref, context, steps=3)["apart"] == {
        "generator.0-0": 0.0,
        "predictor.0-0": 0.0,
    }  # the first time there is nothing to compare with
    apart = group.run(ref, context, steps=5)["apart"]
    assert set(apart) == {"generator.0-0", "predictor.0-0"}
    assert 0.04 < apart["generator.0-0"] < 1.0
    assert 0.0 < apart["predictor.0-0"] < apart["generator.0-0"]


def test_a_meter_that_runs_over_or_begins_anew_is_understood() -> None:
    busy = Busy()
    for microseconds, seconds in ((2**32 - 5, 0.0), (10**6 - 5, 1.0), (3, None), (10, 7e-6)):
        busy.meters["a"] = microseconds
        assert busy.take() == ({} if seconds is None else {"a": seconds})


def test_members_are_shared_out_to_ranks() -> None:
    shares = [members_of(rank, 3, 7) for rank in range(3)]
    assert shares == [(0, 3, 6), (1, 4), (2, 5)]


def test_models_and_engines_that_cannot_are_refused(worker, folder) -> None:
    with pytest.raises(RunError, match="placement: colocated"):
        Board(worker)
    linked = replace(worker, link=Link(Net(), LEAD))
    lead = Explorer((), Factory(live=Mean()), BandGate("y"), split=Split(0, (1,), 1))
    with pytest.raises(ContractError, match="Mean cannot be spread over ranks by member"):
        lead.open(linked)
    with pytest.raises(RunError, match="runs no tasks"):
        Predicting(Factory(live=Mean())).run(Task("t", "x", "p"), LoneContext(worker))
