"""The trainer's worker: fits, evaluates, scores; the hold-out stays unseen."""

from __future__ import annotations

import numpy as np
import pytest
from campaign_roles import Mean
from journals import Scribe, failed, sample

from querist.campaign.handlers.parts import load_state
from querist.campaign.handlers.trainer import Trainer, judge, true_error, without_files
from querist.control.gate import BandGate
from querist.core.answers import Dataset
from querist.core.batch import Batch
from querist.core.errors import RunError, ShapeError
from querist.core.prediction import Prediction
from querist.core.tasks import DatasetRef, Factory, ModelRef, Task


class Spy(Mean):
    """Keeps the datasets and requests that it was given."""

    def fit(self, dataset, request):
        self.given = (dataset, request)
        return super().fit(dataset, request)


@pytest.fixture
def trainer(worker, folder) -> Trainer:
    scribe = Scribe(folder)
    scribe.label(1, 2, 3)
    scribe.label(100, 200, purpose="holdout")
    scribe.label(4)
    scribe.label(50, purpose="calibration")
    scribe.label(60, purpose="audit")
    scribe.label(5)
    made = Trainer(Factory(live=Spy()), BandGate("y"))
    made.open(worker)
    return made


def test_all_its_models_are_closed(worker, folder) -> None:
    class Closing(Mean):
        def close(self) -> None:
            closed.append(self)

    closed: list[Closing] = []
    made = Trainer(Factory(live=Closing()), BandGate("y"))
    made.open(worker)
    opened = {id(made._fitted), id(made._judged.model)}
    made.close()
    assert {id(model) for model in closed} == opened
    assert len(opened) == 2


def fit(version: int = 1, dataset: int = 9, **more) -> Task:
    payload = {
        "version": version,
        "dataset": DatasetRef(dataset),
        "previous": None,
        "previous_dataset": 0,
        "members": None,
        "part": 0,
        "seed": 11,
    }
    return Task("fit-0-1", "fit", "trainer", {**payload, **more})


def published(trainer, context, **more) -> ModelRef:
    task = fit(**more)
    result = trainer.run(task, context)
    return ModelRef(task.payload["version"], (result["file"],), result["digest"])


def test_a_fit_sees_training_and_calibration_labels_and_never_the_hold_out(
    trainer, context, folder
) -> None:
    result = trainer.run(fit(), context)
    dataset, request = trainer._fitted.given
    assert dataset.inputs["x"].ravel().tolist() == [1, 2, 3, 4, 50, 5]
    assert set(dataset.purposes) == {"train", "calibration"}
    assert not {100.0**2, 200.0**2, 60.0**2} & set(dataset.outputs["y"].tolist())
    assert (request.seed, request.previous, request.members) == (11, None, None)
    assert result["metrics"] == {"rows": 6.0, "bad": None}
    state = load_state(folder.path, ModelRef(1, (result["file"],), result["digest"]))
    assert float(state.arrays["mean"]) == np.mean([1, 4, 9, 16, 2500, 25])


def test_a_fit_is_told_what_failed(trainer, context, folder) -> None:
    scribe = Scribe(folder)
    scribe.ask(7)
    scribe.write(failed(7, True))
    trainer.run(fit(), context)
    assert len(trainer._fitted.given[1].failed) == 0  # it failed after the last of these labels
    scribe.label(8)
    trainer.run(fit(dataset=10), context)
    assert trainer._fitted.given[1].failed["x"].ravel().tolist() == [7.0]


def test_the_hold_out_changes_nothing_in_a_fit(worker, context, folder) -> None:
    digests = []
    for holdout in ((100, 200), (7, 8)):
        run = folder.create(folder.path / f"h{holdout[0]}", {})
        Scribe(run).label(1, 2, 3)
        Scribe(run).label(*holdout, purpose="holdout")
        from dataclasses import replace

        own = Trainer(Factory("querist.models.random_features:RandomFeatures"), BandGate("y"))
        own.open(replace(worker, run=run.path))
        digests.append(own.run(fit(dataset=5), context)["digest"])
    assert digests[0] == digests[1]


def test_a_fit_gets_the_state_before_it(trainer, context) -> None:
    one = published(trainer, context, dataset=3)
    published(trainer, context, version=2, previous=one, previous_dataset=3)
    _, request = trainer._fitted.given
    assert float(request.previous.arrays["mean"]) == np.mean([1, 4, 9])
    assert request.previous_version == 3


def test_a_fit_that_was_stopped_publishes_nothing(trainer, context, folder) -> None:
    context.stop = lambda: True
    with pytest.raises(RunError, match="stopped before its end"):
        trainer.run(fit(), context)
    assert folder.weights.stored() == {}


def evaluate(ref: ModelRef, on: str, since: int = 0, dataset: int = 9) -> Task:
    payload = {"model": ref, "dataset": DatasetRef(dataset), "on": on, "since": since}
    return Task("evaluate-0-1", "evaluate", "trainer", payload)


def test_the_record_of_an_evaluation_does_not_grow_with_the_hold_out(
    trainer, context, folder, monkeypatch
) -> None:
    Scribe(folder).label(*range(300, 320), purpose="holdout")
    ref = published(trainer, context)
    whole = trainer.run(evaluate(ref, "holdout", dataset=29), context)
    assert (whole["n"], len(whole["score"]), len(whole["error"])) == (22, 22, 22)
    monkeypatch.setattr("querist.campaign.handlers.trainer.PAIRS", 8)
    cut = trainer.run(evaluate(ref, "holdout", dataset=29), context)
    assert (cut["n"], cut["metrics"]) == (22, whole["metrics"])
    assert cut["error"].tolist() == whole["error"][[0, 3, 6, 9, 12, 15, 18, 21]].tolist()
    assert len(cut["score"]) == 8


def test_an_evaluation_is_over_the_hold_out(trainer, context) -> None:
    ref = published(trainer, context, dataset=3)
    result = trainer.run(evaluate(ref, "holdout"), context)
    mean, truth = np.mean([1, 4, 9]), np.array([100.0**2, 200.0**2])
    assert (result["n"], result["version"], result["on"]) == (2, 1, "holdout")
    assert result["metrics"]["y.mae"] == pytest.approx(np.abs(truth - mean).mean())
    assert result["metrics"]["y.rmse"] == pytest.approx(np.sqrt(((truth - mean) ** 2).mean()))
    assert result["score"].tolist() == [100.0, 200.0]
    assert result["error"] == pytest.approx(truth - mean)
    assert trainer.run(evaluate(ref, "holdout", dataset=3), context) == {
        "version": 1,
        "on": "holdout",
        "n": 0,
    }


def test_an_evaluation_tells_how_far_predictions_moved(trainer, context) -> None:
    one, two = published(trainer, context, dataset=3), None
    first = trainer.run(evaluate(one, "holdout", dataset=4), context)
    assert first["signals"] == {"y.uncertainty": 100.0}  # there was no model before
    trainer.run(evaluate(one, "recent", since=3), context)  # is of other samples
    two = published(trainer, context, version=2)
    second = trainer.run(evaluate(two, "holdout"), context)
    moved = abs(np.mean([1, 4, 9, 16, 2500, 25]) - np.mean([1, 4, 9]))
    assert second["signals"]["y.change"] == pytest.approx(moved)
    assert second["signals"]["y.uncertainty"] == 150.0
    again = trainer.run(evaluate(two, "holdout"), context)
    assert again["signals"] == {"y.uncertainty": 150.0}  # the same model is not the one before


def test_recent_labels_are_those_that_were_not_trained_on(trainer, context) -> None:
    ref = published(trainer, context, dataset=3)
    result = trainer.run(evaluate(ref, "recent", since=3), context)
    assert result["n"] == 2
    assert result["score"].tolist() == [4.0, 5.0]


def test_scores_are_those_of_the_gate(trainer, context) -> None:
    def positive(batch):
        return batch["x"][:, 0] > 0

    trainer._gate = BandGate("y", (positive,))
    ref = published(trainer, context)
    samples = tuple(sample(n) for n in (3, -2, 8))
    result = trainer.run(
        Task("score-0-1", "score", "trainer", {"model": ref, "samples": samples}), context
    )
    assert result["samples"] == [s.id for s in samples]
    assert result["scores"][::2] == [3.0, 8.0]
    assert np.isnan(result["scores"][1])
    assert result["version"] == 1


def test_parts_of_a_committee_are_fitted_apart_and_merged(worker, context, folder) -> None:
    Scribe(folder).label(1, 2, 3, 4)
    model = Factory("querist.models.random_features:RandomFeatures", {"members": 4, "features": 8})
    made = Trainer(model, BandGate("y"))
    made.open(worker)
    whole = made.run(fit(version=1, dataset=4), context)
    parts = [
        made.run(fit(version=2, dataset=4, members=members, part=part), context)
        for part, members in enumerate([(0, 2), (1, 3)])
    ]
    ref = ModelRef(2, tuple(p["file"] for p in parts), "+".join(p["digest"] for p in parts))
    merged = load_state(folder.path, ref)
    alone = load_state(folder.path, ModelRef(1, (whole["file"],), whole["digest"]))
    assert set(merged.arrays) == set(alone.arrays)
    for name, array in alone.arrays.items():
        assert np.array_equal(merged.arrays[name], array)


def prediction(**outputs) -> Prediction:
    mean = Batch.stack(**outputs)
    return Prediction(mean, Batch.stack(y=np.ones(len(mean))))


def test_classes_have_an_accuracy_and_an_error_of_zero_or_one() -> None:
    said = Prediction(Batch.stack(y=np.array(["a", "b", "b"])), Batch.stack(y=np.ones(3)))
    truth = Dataset(Batch.stack(x=np.zeros(3)), Batch.stack(y=np.array(["a", "b", "a"])))
    result = judge(said, truth, "y")
    assert result["metrics"] == {
        "y.accuracy": pytest.approx(2 / 3),
        "y.error": pytest.approx(1 / 3),
    }
    assert result["error"].tolist() == [0.0, 0.0, 1.0]


def test_a_gated_output_of_another_shape_is_named() -> None:
    truth = Dataset(Batch.stack(x=np.zeros(3)), Batch.stack(y=np.zeros(3), z=np.zeros(3)))
    column = Prediction(Batch.stack(y=np.zeros((3, 1))), Batch.stack(y=np.ones((3, 1))))
    assert judge(column, truth, "y")["metrics"]["y.mae"] == 0.0  # a vector of one is a number
    pair = Prediction(Batch.stack(y=np.zeros((3, 2))), Batch.stack(y=np.ones((3, 2))))
    with pytest.raises(ShapeError, match=r"predicts 'y' with the shape \(2,\), but labels have "):
        judge(pair, truth, "y")


def test_the_error_of_forces_is_the_largest_over_atoms() -> None:
    forces = np.zeros((1, 2, 3))
    said = Prediction(Batch.stack(f=forces), Batch.stack(f=forces))
    truth = np.array([[[3.0, 4.0, 0.0], [0.0, 1.0, 0.0]]])
    dataset = Dataset(Batch.stack(x=np.zeros(1)), Batch.stack(f=truth))
    assert true_error(said, dataset, "f").tolist() == [5.0]


def test_of_several_classes_all_must_be_right() -> None:
    said = np.array([["a", "b"], ["a", "b"], ["a", "b"]])
    truth = np.array([["a", "b"], ["a", "x"], ["x", "y"]])
    guess = Prediction(Batch.stack(k=said), Batch.stack(k=np.ones((3, 2))))
    dataset = Dataset(Batch.stack(x=np.zeros(3)), Batch.stack(k=truth))
    assert true_error(guess, dataset, "k").tolist() == [0.0, 1.0, 1.0]


def test_an_output_without_labels_has_no_error() -> None:
    truth = Dataset(Batch.stack(x=np.zeros(2)), Batch.stack(z=np.zeros(2)))
    assert np.isnan(true_error(prediction(y=np.zeros(2)), truth, "y")).all()


def test_where_files_lie_is_not_learned() -> None:
    inputs = Batch.stack(x=np.arange(2.0))
    files = np.array(["file:///a", "file:///b"])
    outputs = Batch.stack(y=np.arange(2.0), wave=files, kind=np.array(["a", "file:///b"]))
    learned = without_files(Dataset(inputs, outputs))
    assert sorted(learned.outputs.columns) == ["kind", "y"]
    assert len(learned) == 2
    plain = Dataset(inputs, Batch.stack(y=np.arange(2.0)))
    assert without_files(plain) is plain
