"""A campaign that follows a query strategy: what is refused, and pools run for real."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest
from pool_roles import DIGITS, PIXELS, one_minus_largest

from querist import Campaign
from querist.campaign.campaign import report_of, summary_of
from querist.campaign.checking import problems
from querist.campaign.settings import CampaignSettings
from querist.campaign.strategy import strategy_of
from querist.core.batch import Batch
from querist.core.errors import ConfigError
from querist.store.run_folder import RunFolder
from querist.strategies.contract import Strategy, pointwise
from querist.strategies.errors import NeedError

POOL, TEST = slice(0, 900), slice(900, None)
BAYES = {
    "use": "committee",
    "options": {"estimator": "sklearn.naive_bayes:GaussianNB", "members": 3,
                "options": {"var_smoothing": 0.01}},
}  # fmt: skip
LOGISTIC = {
    "use": "committee",
    "options": {"estimator": "sklearn.linear_model:LogisticRegression", "members": 1,
                "bootstrap": False, "options": {"C": 10.0, "max_iter": 1000}},
}  # fmt: skip


def campaign(strategy, tmp_path, **more) -> Campaign:
    np.savez(tmp_path / "pool.npz", x=PIXELS[POOL])
    plain = {
        "generator": {"use": "candidates", "options": {"samples": str(tmp_path / "pool.npz")}},
        "model": BAYES,
        "oracle": {"use": "function", "options": {"function": "pool_roles:digit",
                                                  "outputs": "digit"}},
        "output": "digit",
        "strategy": strategy,
        "initial": 20,
        "holdout": 0.0,
        "budget": {"labels": 60},
        "queue": {"limit": 1000, "max_fresh": 10},
        "retrain": {"every_labels": 10},
        "engine": "inline",
        "final_fit": False,
    }  # fmt: skip
    return Campaign(**{**plain, **more})


def settings(strategy, **more) -> CampaignSettings:
    plain = {
        "generators": "uniform",
        "model": "random_features",
        "oracles": {"use": "function", "options": {"function": "math:sqrt"}},
        "gate": {"output": "y"},
        "strategy": strategy,
        "budget": {"labels": 50},
    }
    return CampaignSettings.model_validate({**plain, **more})


def told(strategy, **more) -> list[str]:
    found = problems(settings(strategy, **more))
    return [one for one in found if one.startswith("strategy")]


def asked(folder) -> list:
    return [r for r in RunFolder(folder).journal_reader().read_new() if r.kind == "question.asked"]


# ------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("strategy", "more", "says"),
    [
        ("margin", {}, "margin needs probabilities .*which RandomFeatures does not give.* random,"),
        ("qbc-variance", {"model": "gaussian_process"}, "GaussianProcess does not give"),
        ("igs", {"model": BAYES}, "set strategy.embeddings|Set strategy.embeddings"),
        ("mcpal", {}, "mcpal needs labelled_classes .*which RandomFeatures does not give"),
        ("cost-aware(qbc-variance)", {}, r"costs .*Set strategy.costs .* learned-cost"),
        ("margn", {}, "Did you mean 'margin'"),
        ("qbc-variance(colour=3)", {}, "takes no colour"),
        ("nowhere:strategy", {}, "nowhere"),
        ("random", {"trainers": 0}, "give trainers: 1 or more"),
        ({"use": "random", "among": ["margin", "random"]}, {}, "among and rules are for auto"),
        ({"use": "random", "costs": "nowhere:cost"}, {}, "strategy.costs: "),
        ({"use": "auto", "among": ["random"]}, {}, "between two or more"),
        ({"use": "auto", "among": ["random", "igs"]}, {"holdout": 0.0}, "by the hold-out"),
        ({"use": "auto", "among": ["random", "igs"]}, {"budget": {"seconds": 5}}, "budget"),
        ({"use": "auto", "among": ["random", "igs"], "rules": {"target": 1}}, {}, "rules.target"),
        ({"use": "albl", "among": ["random", "igs"]}, {}, "albl learns from right and wrong"),
        ({"use": "albl", "among": ["margin", "bald"]}, {"model": BAYES}, "needs 'random' too"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_said_before_anything_runs(strategy, more, says) -> None:
    found = told(strategy, **more)
    assert len(found) == 1, found
    assert re.search(says, found[0]), found[0]


@pytest.mark.parametrize("strategy", ["random", "igs", "lcmd", "learned-cost(qbc-variance)", "ucb"])
def test_what_can_work_is_not_refused(strategy) -> None:
    assert told(strategy) == []


@pytest.mark.parametrize("strategy", ["mcpal", "epistemic", "quire", "expected-error-reduction"])
def test_counts_of_classes_are_for_classifiers_with_features(strategy) -> None:
    chosen = {"use": strategy, "embeddings": "inputs"}
    assert told(chosen, model=BAYES) == []


NETWORK = {"use": "torch_classifier", "options": {"schedule": {"epochs": 40}}}
TAGGER = {"use": "torch_classifier", "options": {"task": "labels"}}


@pytest.mark.torch
def test_networks_give_strategies_gradients_and_labels() -> None:
    for name in ("deepfool", "adversarial-bim", "badge", "batchbald"):
        assert told(name, model=NETWORK) == []
    assert told("multi-label", model=TAGGER) == []
    assert "needs probabilities" in told("margin", model=TAGGER)[0]
    assert "needs label_probabilities" in told("multi-label", model=NETWORK)[0]
    assert (
        "needs model (the model itself), which Committee does not"
        in told("deepfool", model=BAYES)[0]
    )


def test_a_key_that_is_unknown_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"strategy.bach: unknown key. Did you mean 'batch'"):
        Campaign(
            generator="uniform", model="random_features", oracle=len, output="y",
            strategy={"use": "random", "bach": 3},
        )  # fmt: skip


def test_a_function_becomes_a_strategy_by_its_parameters() -> None:
    made = strategy_of("", {}, one_minus_largest)
    assert isinstance(made, Strategy)
    assert made.pointwise
    assert made.needs == ("probabilities",)
    assert strategy_of("pool_roles:one_minus_largest", {}).needs == ("probabilities",)

    def first(embeddings, *, budget):
        return np.arange(budget), np.zeros(budget)

    assert not strategy_of("", {}, first).pointwise
    own = pointwise(paper="", cost="", use="")(one_minus_largest)
    assert strategy_of("", {}, own) is own
    assert strategy_of("ucb", {"kappa": 5}).options["kappa"] == 5
    with pytest.raises(ConfigError, match="name or a function"):
        strategy_of("", {}, 5)
    with pytest.raises(NeedError, match="no kind of data"):
        strategy_of("", {}, lambda temperature: temperature)


# ---------------------------------------------------------------------------------- for real


def test_a_pool_is_labelled_in_the_order_of_the_strategy_and_resumed(tmp_path) -> None:
    made = campaign({"use": "margin", "batch": 10, "least": 900}, tmp_path)
    assert made.run(tmp_path / "run", progress=False).status == "finished"
    questions = asked(tmp_path / "run")
    whys = Counter(record.data["why"] for record in questions)
    assert whys == {"initial": 20, "margin": 40}
    assert len({record.data["sample"] for record in questions}) == 60
    # Each batch is what the model of then is least sure about in all that was not asked.
    reader = RunFolder(tmp_path / "run").journal_reader()
    orders = [record.data for record in reader.read_new() if record.kind == "selection.made"]
    assert [order["candidates"] for order in orders] == [880, 870, 860, 850]
    assert [order["version"] for order in orders] == [1, 2, 3, 4]
    chosen = [record for record in questions if record.data["why"] == "margin"]
    assert [r.data["sample"] for r in chosen] == [s for o in orders for s in o["picked"]]
    assert [r.data["strategy_score"] for r in chosen] == [s for o in orders for s in o["scores"]]

    more = campaign({"use": "margin", "batch": 10, "least": 900}, tmp_path, budget={"labels": 75})
    assert more.resume(tmp_path / "run", progress=False).reason == "75 labels (of 75)"
    again = asked(tmp_path / "run")
    assert Counter(record.data["why"] for record in again)["margin"] == 55
    assert len({record.data["sample"] for record in again}) == 75
    report = report_of(tmp_path / "run").read_text()
    assert "margin" in report


def test_a_pool_is_whole_after_its_process_was_killed(tmp_path) -> None:
    strategy = {"use": "margin", "batch": 10, "least": 800}
    campaign(strategy, tmp_path, budget={"labels": 30}).run(tmp_path / "run", progress=False)
    for snapshot in (tmp_path / "run" / "snapshots").glob("*"):  # a kill may come before any
        snapshot.unlink()
    made = campaign(strategy, tmp_path, budget={"labels": 50})
    assert made.resume(tmp_path / "run", progress=False).status == "finished"
    reader = RunFolder(tmp_path / "run").journal_reader()
    orders = [record.data for record in reader.read_new() if record.kind == "selection.made"]
    assert orders[-1]["candidates"] >= 850
    assert len({record.data["sample"] for record in asked(tmp_path / "run")}) == 50


def test_costs_are_learned_while_a_campaign_runs(tmp_path) -> None:
    """Walkers, numbers, and answers with costs of their own, which the strategy learns."""
    made = Campaign(
        generator={"use": "uniform", "options": {"low": [0, 0], "high": [1, 1], "seed": 1}},
        model="random_features", oracle={"use": "function", "options": {
            "function": "pool_roles:product", "outputs": "y"}},
        output="y", strategy={"use": "learned-cost(qbc-variance)", "embeddings": "inputs",
                              "batch": 5, "least": 10},
        initial=8, budget={"labels": 24}, engine="inline", retrain={"every_labels": 5},
    )  # fmt: skip
    assert made.run(tmp_path / "run", progress=False).status == "finished"
    told = summary_of(tmp_path / "run")["selection"]["by_strategy"]
    assert told["learned-cost(qbc-variance)"] >= 8


def accuracy(made: Campaign, folder) -> float:
    said = made.model(folder).predict(Batch.stack(x=PIXELS[TEST])).mean["digit"]
    return float((said == DIGITS[TEST]).mean())


@pytest.mark.slow
def test_labels_are_counted_in_a_campaign(tmp_path) -> None:
    strategy = {"use": "mcpal", "embeddings": "inputs", "batch": 10, "least": 800}
    made = campaign(strategy, tmp_path, budget={"labels": 40})
    assert made.run(tmp_path / "run", progress=False).status == "finished"
    questions = asked(tmp_path / "run")
    assert Counter(record.data["why"] for record in questions) == {"initial": 20, "mcpal": 20}


def test_a_strategy_buys_more_accuracy_than_chance(tmp_path) -> None:
    """Three seeds with the same beginnings; everything is seeded and in line."""
    gains = []
    for seed in range(3):
        found = {}
        for name in ("margin", "random"):
            strategy = {"use": name, "batch": 20, "least": 900}
            made = campaign(strategy, tmp_path, seed=seed, model=LOGISTIC, final_fit=True,
                            budget={"labels": 240}, retrain={"every_labels": 20},
                            queue={"limit": 1000, "max_fresh": 20})  # fmt: skip
            made.run(tmp_path / f"{name}-{seed}", progress=False)
            found[name] = accuracy(made, tmp_path / f"{name}-{seed}")
        gains.append(found["margin"] - found["random"])
    assert np.mean(gains) > 0.01, gains
    assert min(gains) > 0.0, gains


def test_ones_own_function_is_a_strategy(tmp_path) -> None:
    strategy = {"use": "pool_roles:one_minus_largest", "batch": 10, "least": 900}
    made = campaign(strategy, tmp_path, budget={"labels": 40})
    assert made.run(tmp_path / "run", progress=False).status == "finished"
    whys = Counter(record.data["why"] for record in asked(tmp_path / "run"))
    assert whys == {"initial": 20, "one-minus-largest": 20}


@pytest.mark.slow
@pytest.mark.torch
@pytest.mark.parametrize("use", ["deepfool", "adversarial-bim"])
def test_a_network_is_differentiated_in_a_campaign(use, tmp_path) -> None:
    strategy = {"use": use, "batch": 10, "least": 900}
    made = campaign(strategy, tmp_path, model=NETWORK, budget={"labels": 40})
    assert made.run(tmp_path / "run", progress=False).status == "finished"
    whys = Counter(record.data["why"] for record in asked(tmp_path / "run"))
    assert whys == {"initial": 20, use: 20}


@pytest.mark.slow
@pytest.mark.torch
def test_several_labels_of_a_sample_are_asked_and_learned(tmp_path) -> None:
    oracle = {"use": "function", "options": {"function": "pool_roles:marks", "outputs": "marks"}}
    strategy = {"use": "multi-label", "batch": 20, "least": 900}
    model = {"use": "torch_classifier", "options": {"task": "labels", "schedule": {"epochs": 60}}}
    made = campaign(strategy, tmp_path, model=model, oracle=oracle, output="marks",
                    budget={"labels": 200}, queue={"limit": 1000, "max_fresh": 20},
                    retrain={"every_labels": 20}, final_fit=True)  # fmt: skip
    assert made.run(tmp_path / "run", progress=False).status == "finished"
    whys = Counter(record.data["why"] for record in asked(tmp_path / "run"))
    assert whys == {"initial": 20, "multi-label": 180}
    said = made.model(tmp_path / "run").predict(Batch.stack(x=PIXELS[TEST])).mean["marks"]
    truth = np.stack([DIGITS[TEST] % 2 == 0, DIGITS[TEST] > 4], axis=1)
    assert (said == truth).mean() > 0.85


@pytest.mark.slow
def test_a_batch_strategy_works_in_other_processes(tmp_path) -> None:
    strategy = {"use": "badge", "embeddings": "inputs", "batch": 10, "least": 900}
    made = campaign(strategy, tmp_path, engine="processes", budget={"labels": 40})
    assert made.run(tmp_path / "run", progress=False).status == "finished"
    assert Counter(record.data["why"] for record in asked(tmp_path / "run"))["badge"] == 20


def test_a_pool_ends_when_nothing_is_left(tmp_path) -> None:
    np.savez(tmp_path / "few.npz", x=PIXELS[:40])
    made = campaign("entropy", tmp_path, budget={"labels": 500}, queue={"limit": 100},
                    generator={"use": "candidates",
                               "options": {"samples": str(tmp_path / "few.npz")}})  # fmt: skip
    found = made.run(tmp_path / "run", progress=False)
    assert found.status == "finished"
    assert summary_of(tmp_path / "run")["labels"]["charged"] == 40


STOPS = {
    "predictions_stable": {"output": "digit", "kappa": 0.9, "window": 2},
    "change_below": {"output": "digit", "value": 0.2, "times": 2},
    "mean_uncertainty_below": {"output": "digit", "value": 0.3, "times": 2},
    "selected_error_below": 0.4,
    "gain_below": {"metric": "digit.error", "share": 0.9, "labels": 10, "window": 3},
}


@pytest.mark.parametrize("rule", STOPS)
def test_stopping_rules_of_pools_end_a_campaign_with_a_strategy(rule, tmp_path) -> None:
    test_set = tmp_path / "test.npz"
    np.savez(test_set, **{"input.x": PIXELS[TEST][:100], "output.digit": DIGITS[TEST][:100]})
    made = campaign(
        {"use": "margin", "batch": 10, "least": 900}, tmp_path, model=LOGISTIC,
        stop={rule: STOPS[rule]},
        budget={"labels": 400}, start={"test_set": str(test_set)},
        error_metric="digit.error", retrain={"every_labels": 20}, queue={"limit": 1000},
    )  # fmt: skip
    found = made.run(tmp_path / "run", progress=False)
    assert found.status == "finished"
    charged = summary_of(tmp_path / "run")["labels"]["charged"]
    assert 20 < charged < 400, found.reason
    words = {"predictions_stable": "kappa", "change_below": "changed by no more than",
             "mean_uncertainty_below": "mean uncertainty", "gain_below": "more labels are expected",
             "selected_error_below": "newly selected"}  # fmt: skip
    assert words[rule] in found.reason
