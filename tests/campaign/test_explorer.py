"""The explorer's worker: slices, weights, answers, states."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from campaign_roles import Bomb, Line, Mean, Waiting
from journals import sample

from querist.campaign.handlers import parts
from querist.campaign.handlers.explorer import Explorer, judged
from querist.campaign.handlers.keeping import Keeper, initial
from querist.campaign.handlers.parts import load_state
from querist.control.gate import BandGate
from querist.core.batch import Batch
from querist.core.prediction import AnsweredSample, Prediction, Verdict
from querist.core.roles import Limits
from querist.core.tasks import Factory, ModelRef, Task
from querist.generators.uniform import Uniform
from querist.models.random_features import RandomFeatures
from querist.store.arrays import load_arrays


@pytest.fixture
def opened(worker):
    """Makes explorers; they are closed at the end."""
    made = []

    def make(*generators, filters=(), **more) -> Explorer:
        gate = BandGate("y", tuple(filters))
        explorer = Explorer(
            [Factory(live=g) for g in generators], Factory(live=Mean()), gate, **more
        )
        explorer.open(worker)
        made.append(explorer)
        return explorer

    yield make
    for explorer in made:
        explorer.close()


@pytest.fixture
def publish(folder):
    """Publishes a model with this mean."""

    def write(version: int, mean: float) -> ModelRef:
        digest = folder.weights.save(version, "part0", {"mean": np.array(mean)}, {})
        return ModelRef(version, (folder.weights.path(version, "part0").name,), digest)

    return write


def task(ref: ModelRef | None = None, ask: float = 1e9, steps: int = 10, **more) -> Task:
    payload = {
        "slot": 0,
        "model": ref or ModelRef(0),
        "limits": Limits(ask),
        "steps": steps,
        "seconds": None,
        "answers": (),
        "initial": 0,
    }
    return Task("explore-0-1", "explore", "explorer.0", {**payload, **more})


def test_a_slice_reports_what_the_gate_would_ask(opened, context, publish) -> None:
    explorer = opened(Line())
    result = explorer.run(task(publish(1, 0.0), ask=6.5), context)
    assert (result["steps"], result["trusted"], result["asked"]) == (10, 7, 3)
    assert result["version"] == 1
    assert result["scores"].tolist() == [9.0]
    assert result["candidates"].ids == (sample(9.0).id,)
    assert (result["waiting"], result["exhausted"]) == (False, False)
    assert result["predict"] > 0


def test_weights_are_swapped_between_two_slices(opened, context, publish) -> None:
    explorer = opened(Line())
    one, two = publish(1, 0.0), publish(2, 5.0)
    for ref in (one, one, two, one):
        explorer.run(task(ref, steps=2), context)
    model = explorer._model.model
    assert model.loads == 3
    assert model.mean == 0.0
    assert explorer._crew.keeper.generators[0].infos[2:] == [1] * 4 + [2] * 3 + [1] * 3


def test_large_weights_are_read_aside_once_while_the_model_goes_on(
    worker, publish, monkeypatch
) -> None:
    read: list[int] = []
    go_on = threading.Event()

    def load(run, ref: ModelRef):
        read.append(ref.version)
        assert ref.version == 1 or go_on.wait(30)
        return load_state(run, ref)

    monkeypatch.setattr(parts, "ASIDE_BYTES", 1)
    monkeypatch.setattr(parts, "load_state", load)
    model, first, second = (
        parts.LoadedModel(Factory(live=Mean()), worker),
        publish(1, 0),
        publish(2, 5),
    )
    assert model.approach(first) == first  # there is nothing to go on with yet
    model.use(first)
    assert not model.settle()
    assert [model.approach(second) for _ in range(3)] == [first] * 3
    go_on.set()
    assert model.settle()
    assert model.approach(second) == second
    model.use(second)
    assert (read, model.version) == ([1, 2], 2)


def test_weights_that_are_not_what_was_published_are_refused(opened, context, publish) -> None:
    explorer, ref = opened(Line()), publish(1, 0.0)
    publish(1, 1.0)
    with pytest.raises(Exception, match="digest"):
        explorer.run(task(ref), context)


def test_before_there_is_a_model_samples_come_from_the_generators(opened, context) -> None:
    explorer = opened(Line(), Uniform([10.0], [20.0], seed=1))
    result = explorer.run(task(initial=6), context)
    x = result["candidates"]["x"].ravel()
    assert x[:3].tolist() == [0.0, 1.0, 2.0]
    assert ((x[3:] >= 10) & (x[3:] < 20)).all()
    assert len(x) == 6
    assert result["walkers"].tolist() == [0, 0, 0, -1, -1, -1]
    assert result["asked"] == 6
    assert np.isnan(result["scores"]).all()


def test_filters_hold_before_there_is_a_model(opened, context) -> None:
    explorer = opened(Line(), filters=[lambda batch: batch["x"][:, 0] % 2 == 0])
    result = explorer.run(task(initial=5), context)
    assert result["candidates"]["x"].ravel().tolist() == [0.0, 2.0, 4.0]
    assert (result["proposed"], result["filtered"], result["asked"]) == (5, 2, 3)


def test_initial_stops_where_all_walkers_wait() -> None:
    proposal = initial(Line(last=2), 5)
    assert proposal.batch["x"].ravel().tolist() == [0.0, 1.0]
    assert len(initial(Line(last=0), 5).batch) == 0


@pytest.mark.parametrize("version", [0, 1])
def test_each_generator_gets_the_answers_to_its_own_walkers(
    opened, context, publish, version: int
) -> None:
    explorer = opened(Line(last=3), Line(last=3))
    told = tuple(AnsweredSample(w, sample(w), {"y": np.array(1.0)}) for w in (0, 1, 3, -1))
    ref = publish(1, 0.0) if version else None
    explorer.run(task(ref, answers=told), context)
    explorer._crew.close()
    seen = [[(a.walker, a.sample.id) for a in g.seen] for g in explorer._crew.keeper.generators]
    assert seen == [[(0, sample(0).id)], [(0, sample(1).id), (1, sample(3).id)]]


def test_generators_learn_of_new_models_though_all_walkers_wait(opened, context, publish) -> None:
    explorer = opened(Waiting())
    first = explorer.run(task(publish(1, 0.0), ask=-1.0), context)
    assert (first["steps"], first["waiting"]) == (1, True)
    again = explorer.run(task(publish(1, 0.0), ask=-1.0), context)
    assert (again["steps"], again["waiting"]) == (0, True)
    newer = explorer.run(task(publish(2, 0.0), ask=-1.0), context)
    assert (newer["steps"], newer["waiting"]) == (1, True)


def test_walkers_of_an_earlier_process_do_not_wait_for_lost_answers(
    opened, context, publish
) -> None:
    ref = publish(3, 0.0)
    before = opened(Waiting())
    before.run(task(ref, ask=-1.0), context)
    before.close()
    after = opened(Waiting())
    (generator,) = after._crew.keeper.generators
    assert generator.waits
    result = after.run(task(ref, ask=-1.0), context)
    assert result["steps"] == 1
    assert result["scores"].tolist() == [1.0]


def test_generators_go_on_where_they_were_saved(opened, context, publish, folder) -> None:
    ref = publish(1, 0.0)
    first = opened(Line())
    first.run(task(ref, steps=7), context)
    file = folder.path / "generators" / "0.safetensors"
    assert float(load_arrays(file).arrays["x"]) == 1  # even a short life leaves a state
    killed = opened(Line(start=100.0))
    assert killed._crew.keeper.generators[0].x == 1
    first.close()
    assert opened(Line(start=100.0))._crew.keeper.generators[0].x == 7
    other = opened(Line(start=100.0), states=("1",))
    assert other._crew.keeper.generators[0].x == 100.0


def test_states_are_saved_no_more_often_than_asked(worker, monkeypatch) -> None:
    lines = [Factory(live=Line()) for _ in range(2)]
    keeper, saved = Keeper(lines, ("2", "3"), worker, every=1000.0), []
    monkeypatch.setattr(keeper, "_save", saved.append)
    for _ in range(50):
        keeper.checkpoint(0)
    keeper.checkpoint(1)
    assert saved == [0, 1]
    keeper.close([1])
    assert saved == [0, 1, 1]


def test_a_slice_ends_when_it_is_asked_to(opened, context, publish) -> None:
    context.stop = lambda: True
    assert opened(Line()).run(task(publish(1, 0.0)), context)["steps"] == 0


def test_exhausted_generators_say_so(opened, context, publish) -> None:
    line = Line(last=2)
    line.exhausted = True
    result = opened(line).run(task(publish(1, 0.0)), context)
    assert (result["waiting"], result["exhausted"]) == (True, True)
    assert opened(Line(), states=("1.0",)).run(task(publish(1, 0.0)), context)["exhausted"] is False


def test_what_a_generator_raises_fails_the_slice_only(opened, context, publish) -> None:
    explorer, ref = opened(Bomb()), publish(1, 0.0)
    with pytest.raises(RuntimeError, match="boom"):
        explorer.run(task(ref), context)
    explorer._crew.keeper.generators[0].live = False
    assert explorer.run(task(ref), context)["steps"] == 10


def test_live_models_are_not_shared_with_other_roles(worker, folder) -> None:
    mine = RandomFeatures(members=2)
    explorer = Explorer([Factory(live=Line())], Factory(live=mine), BandGate("y"))
    explorer.open(worker)
    assert explorer._model.model is not mine
    explorer.close()


def test_predicted_samples_are_judged_by_the_gate(opened, context, publish) -> None:
    explorer = opened(Line(), filters=[lambda batch: batch["x"][:, 0] < 5])
    result = explorer.run(task(publish(1, 0.0), ask=2.5), context)
    assert (result["trusted"], result["asked"], result["filtered"]) == (3, 2, 5)
    verdict = explorer._gate.decide(
        Batch.stack(x=[[7.0]]), Mean().predict(Batch.stack(x=[[7.0]])), Limits(1.0)
    )
    assert verdict.verdict.tolist() == [Verdict.REJECT]


def test_a_walker_that_exploded_does_not_end_the_slice_of_the_others() -> None:
    class Strict(Mean):
        def predict(self, batch: Batch) -> Prediction:
            assert np.isfinite(batch["x"]).all()
            return super().predict(batch)

    batch = Batch.stack(x=np.array([[1.0], [np.nan], [np.inf], [2.0]]))
    prediction, verdicts = judged(Strict(), BandGate("y"), batch, Limits(1e9))
    assert len(prediction) == 4
    wanted = [Verdict.TRUST, Verdict.REJECT, Verdict.REJECT, Verdict.TRUST]
    assert verdicts.verdict.tolist() == wanted
    assert np.isnan(verdicts.score[1:3]).all()
