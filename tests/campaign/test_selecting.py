"""Strategies get what they need of a model, and their order is kept."""

from __future__ import annotations

import numpy as np
import pytest
from journals import Scribe

import querist
from querist.campaign.handlers.selecting import Selector, Single
from querist.campaign.handlers.supply import Supply, classes_of, describer, table, targets
from querist.campaign.labels import LabelReader
from querist.control.filters import Within
from querist.control.gate import BandGate
from querist.core.answers import Dataset
from querist.core.batch import Batch, Sample
from querist.core.errors import ShapeError
from querist.core.roles import FitRequest
from querist.models.calibration import Calibrated
from querist.models.committee import Committee
from querist.models.gaussian_process import GaussianProcess
from querist.models.mc_dropout import MCDropout
from querist.models.random_features import RandomFeatures
from querist.models.torch_classifier import TorchClassifier
from querist.models.torch_ensemble import TorchEnsemble
from querist.strategies.errors import NeedError
from querist.strategies.registry import get, strategies

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
Y = np.sin(X[:, 0]) + X[:, 1]
SAMPLES = [Sample.of({"x": row}) for row in RNG.normal(size=(40, 3))]
POOL = np.stack([sample["x"] for sample in SAMPLES])
SEEN = Dataset(Batch.stack(x=X).with_ids(), Batch.stack(y=Y))
CLASSES = Dataset(Batch.stack(x=X).with_ids(), Batch.stack(y=np.where(Y > 0, "up", "down")))
PAYLOAD = {"seed": 3, "selection": 1, "pending": (), "budget": 7}


GATE = BandGate("y")


def fitted(model, dataset=SEEN):
    model.load(model.fit(dataset, FitRequest(seed=1)).state)
    return model


def classifier():
    return fitted(Committee("sklearn.naive_bayes:GaussianNB", members=3), CLASSES)


def order(use, model, *, dataset=SEEN, embeddings="", gate=GATE, costs="", **payload):
    selector = Selector(gate, embeddings, costs)
    told = {**PAYLOAD, **payload}
    scores, sight = selector.look(model, SAMPLES, dataset, told)
    return scores, Single({"use": use, "options": {}, "live": None}).order(
        selector, model, sight, told
    )


def test_an_order_is_what_the_strategy_itself_picks() -> None:
    model = classifier()
    probabilities = model.predict(Batch.stack(x=POOL)).mean["y.proba"]
    wanted = querist.select("margin", 7, probabilities=probabilities)
    scores, made = order("margin", model, dataset=CLASSES)
    assert made["picked"] == [SAMPLES[index].id for index in wanted.indices]
    assert made["scores"] == pytest.approx(wanted.scores)
    assert made["strategies"] == ["margin"] * 7
    assert scores.shape == (40,)


def test_a_batch_is_picked_together_with_what_is_labelled_and_asked_already() -> None:
    model = fitted(RandomFeatures())
    pending = tuple(SAMPLES[:5])
    rest = order("k-center", model, embeddings="inputs", pending=pending)[1]["picked"]
    known = np.concatenate([X, POOL[:5]])
    wanted = querist.select("k-center", 7, embeddings=POOL, labelled_embeddings=known, rng=0)
    assert rest == [SAMPLES[index].id for index in wanted.indices]
    assert not {sample.id for sample in pending} & set(rest)


def test_candidates_that_make_no_sense_are_not_offered() -> None:
    inside = Within("x", -1.0, 1.0)
    scores, made = order("random", fitted(RandomFeatures()), gate=BandGate("y", (inside,)))
    sound = {s.id for s in SAMPLES if (np.abs(s["x"]) <= 1.0).all()}
    assert 0 < len(sound) < 40
    assert set(made["picked"]) <= sound
    assert np.isnan(scores).sum() == 40 - len(sound)


def test_an_order_is_repeated_by_its_seed_and_changes_with_the_selection() -> None:
    model = fitted(RandomFeatures())
    one, two, three = (order("random", model, selection=n)[1]["picked"] for n in (1, 1, 2))
    assert one == two != three


REGRESSION = ["qbc-variance", "gsx", "gsy", "igs", "lcmd", "bait", "max-det", "ei",
              "ucb", "thompson", "k-means++", "typiclust", "maxherding"]  # fmt: skip


@pytest.mark.parametrize("name", REGRESSION)
def test_strategies_of_numbers_work_on_a_committee(name) -> None:
    made = order(name, fitted(RandomFeatures()))[1]
    assert len(set(made["picked"])) == 7
    assert made["strategies"] == [get(name).name] * 7


def test_every_strategy_whose_needs_a_classifier_gives_works() -> None:
    from querist.campaign.strategy import given

    model = classifier()
    offered = given(model, "inputs", "")
    names = [one.name for one in strategies() if set(one.needs) <= offered]
    assert {"margin", "badge", "bald", "batchbald", "epig", "random", "typiclust"} <= set(names)
    for name in names:
        if name == "qlogei":
            continue  # it wants an output to be maximised, and an extra
        made = order(name, model, dataset=CLASSES, embeddings="inputs")[1]
        assert len(set(made["picked"])) == 7, name


MODELS = {
    "random features": lambda: (RandomFeatures(features=16), 32),
    "a process": lambda: (GaussianProcess(), 3),
    "an ensemble": lambda: (TorchEnsemble(members=2, schedule={"epochs": 3}), 64),
    "dropout": lambda: (MCDropout(passes=3, schedule={"epochs": 3}), 64),
    "a classifier": lambda: (TorchClassifier(schedule={"epochs": 3}), 64),
    "calibrated": lambda: (Calibrated(RandomFeatures(features=16)), 32),
}


@pytest.mark.parametrize("which", MODELS)
def test_models_embed_one_sample_as_they_embed_many(which) -> None:
    made, width = MODELS[which]()
    embed = describer(fitted(made, CLASSES if which == "a classifier" else SEEN), "")
    assert embed is not None
    rows = embed(Batch.stack(x=POOL))
    assert rows.shape == (40, width)
    np.testing.assert_allclose(embed(Batch.stack(x=POOL[3:4])), rows[3:4], rtol=1e-4, atol=1e-5)
    assert len(np.unique(rows, axis=0)) == 40


def linear(inputs: int, outputs: int):
    import torch

    return torch.nn.Linear(inputs, outputs)


def test_deepfool_of_a_linear_network_is_the_distance_to_its_boundary() -> None:
    model = fitted(TorchClassifier(linear, schedule={"epochs": 50}), CLASSES)
    made = order("deepfool", model, dataset=CLASSES)[1]
    logits = np.log(model.predict(Batch.stack(x=POOL)).mean["y.proba"])
    weights = model.fit(CLASSES, FitRequest(seed=1)).state.arrays["m0/weight"]
    distances = np.abs(logits[:, 0] - logits[:, 1]) / np.linalg.norm(weights[0] - weights[1])
    assert made["picked"] == [SAMPLES[index].id for index in np.argsort(distances)[:7]]
    assert made["scores"] == pytest.approx(-np.sort(distances)[:7], rel=1e-4)


def test_every_strategy_whose_needs_a_network_gives_works() -> None:
    from querist.campaign.strategy import given

    model = fitted(TorchClassifier(members=2, schedule={"epochs": 3}), CLASSES)
    offered = given(model, "", "")
    names = [one.name for one in strategies() if set(one.needs) <= offered]
    assert {"margin", "badge", "bald", "deepfool", "adversarial-bim", "typiclust"} <= set(names)
    for name in (n for n in names if n != "qlogei"):
        made = order(name, model, dataset=CLASSES)[1]
        assert len(set(made["picked"])) == 7, name


def test_several_labels_of_a_sample_are_asked_by_the_doubt_about_each() -> None:
    several = Dataset(CLASSES.inputs, Batch.stack(y=np.stack([X[:, 0] > 0, X[:, 1] > 0], axis=1)))
    model = fitted(TorchClassifier(task="labels", schedule={"epochs": 30}), several)
    made = order("multi-label", model, dataset=several)[1]
    said = model.predict(Batch.stack(x=POOL)).mean["y.label_proba"]
    wanted = querist.select("multi-label", 7, label_probabilities=said)
    assert made["picked"] == [SAMPLES[index].id for index in wanted.indices]


def steepness(gradients):
    """How long the gradient is; a strategy of one's own."""
    return np.linalg.norm(gradients, axis=1)


@pytest.mark.parametrize("classes", [True, False])
def test_networks_give_the_gradients_of_their_last_layer(classes: bool) -> None:
    made = TorchClassifier if classes else TorchEnsemble
    dataset = CLASSES if classes else SEEN
    model = fitted(made(members=1, schedule={"epochs": 3}), dataset)
    picked = order(f"{__name__}:steepness", model, dataset=dataset)[1]["picked"]
    lengths = np.linalg.norm(model.gradients(Batch.stack(x=POOL)), axis=1)
    assert picked == [SAMPLES[index].id for index in np.argsort(-lengths)[:7]]


class Callable:
    """A model of one's own that is its own function."""

    def __init__(self, model) -> None:
        self.model, self.predict = model, model.predict

    def __call__(self, batch):
        import torch

        return batch @ torch.eye(3, 2, dtype=batch.dtype)


def test_a_model_of_ones_own_may_be_the_function_that_is_differentiated() -> None:
    made = order("deepfool", Callable(classifier()), dataset=CLASSES)[1]
    nearest = np.argsort(np.abs(POOL[:, 0] - POOL[:, 1]))[:7]
    assert made["picked"] == [SAMPLES[index].id for index in nearest]
    with pytest.raises(NeedError, match=r"Committee has no\ndifferentiable|no differentiable"):
        order("deepfool", classifier(), dataset=CLASSES)


def test_what_a_model_does_not_give_is_said() -> None:
    model = fitted(RandomFeatures())
    with pytest.raises(NeedError, match=r"'y.proba'.*the model predicts \['y'\]"):
        order("margin", model)
    with pytest.raises(NeedError, match="committee's members"):
        order("qbc-variance", fitted(GaussianProcess()))
    with pytest.raises(NeedError, match=r"set strategy\.embeddings"):
        order("k-center", classifier(), dataset=CLASSES)
    with pytest.raises(NeedError, match=r"set strategy\.costs"):
        order("cost-aware(margin)", classifier(), dataset=CLASSES)
    with pytest.raises(ShapeError, match="numbers of one shape"):
        table(Batch.stack(x=np.array(["a", "b"])))


def dear(batch: Batch) -> np.ndarray:
    return 1.0 + 100.0 * (batch["x"][:, 0] > 0)


def test_costs_by_a_function_count() -> None:
    here = f"{__name__}:dear"
    made = order("cost-aware(entropy)", classifier(), dataset=CLASSES, costs=here)[1]
    by_id = {sample.id: sample["x"][0] for sample in SAMPLES}
    assert all(by_id[key] <= 0 for key in made["picked"])


def test_costs_are_learned_from_what_answers_cost(folder) -> None:
    scribe = Scribe(folder)
    scribe.label(1, 2, 3)
    labels = LabelReader(folder.path / "journal")
    ids = labels.all().inputs.ids
    costs = labels.costs([*ids, "imported"])
    assert costs.shape == (4,)
    assert (costs > 0).all()
    assert costs[3] == pytest.approx(costs[:3].mean())


def test_classes_are_numbered_as_the_model_numbers_them() -> None:
    model = classifier()
    assert classes_of(np.array(["up", "down"]), model).tolist() == [1, 0]
    assert classes_of(np.array([5, 3, 5]), None).tolist() == [1, 0, 1]


def test_targets_are_some_of_the_candidates() -> None:
    rows = np.arange(1000.0)[:, None]
    some = targets(rows, np.random.default_rng(0))
    assert len(np.unique(some)) == len(some) == 256
    assert len(targets(rows[:9], np.random.default_rng(0))) == 9


def test_supply_collects_chunks() -> None:
    model, supply = fitted(RandomFeatures(members=4)), None
    supply = Supply(["member_predictions", "std", "items"], "y")
    for start in (0, 15):
        batch = Batch.stack(x=POOL[start : start + 15])
        supply.add(model, batch, model.predict(batch))
    pool = supply.pool()
    assert pool["member_predictions"].shape == (30, 4)
    np.testing.assert_allclose(pool["member_predictions"].std(axis=1), pool["std"])
