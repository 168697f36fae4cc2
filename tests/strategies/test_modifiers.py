"""Modified strategies pass the contract of all strategies, and compose by name."""

from __future__ import annotations

import numpy as np
import pytest

import querist
from querist.core.errors import ConfigError, ShapeError
from querist.strategies import registry
from querist.strategies.errors import BadRows, NeedError, UnknownStrategy
from querist.testing.strategies import STRATEGY_CHECKS, check_tensors_are_as_good

MODIFIED = [
    "cost-aware(entropy)",
    "cost-aware(margin)",
    "cost-aware(k-center)",
    "learned-cost(entropy)",
    "sub-sampled(entropy, size=4)",
    "class-balanced(entropy)",
    "density-weighted(margin)",
    "cold-start(entropy, k-center)",
    "cold-start(entropy, k-center, until=5)",
    "temperature(entropy)",
    "temperature(margin, beta=2)",
    "temperature(margin, kind=softmax, beta=3)",
    "temperature(entropy, kind=softrank)",
]
CHECKS = [check for check in STRATEGY_CHECKS if check is not check_tensors_are_as_good]
RNG = np.random.default_rng(0)
P = RNG.dirichlet(np.ones(3), size=40)
COSTS = RNG.gamma(2.0, size=40) + 0.1


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", MODIFIED)
def test_contract(check, name: str) -> None:
    check(registry.get(name))


@pytest.mark.torch
@pytest.mark.parametrize("name", MODIFIED)
def test_tensors(name: str) -> None:
    pytest.importorskip("torch")
    check_tensors_are_as_good(registry.get(name))


def test_every_modifier_is_held_against_a_definition() -> None:
    covered = {name.partition("(")[0] for name in MODIFIED}
    assert {one.name for one in registry.modifiers()} == covered


def test_modifiers_wrap_modifiers() -> None:
    both = registry.get("temperature(cost-aware(margin), beta=1e6)")
    assert set(both.needs) == {"probabilities", "costs"}
    hot = both(5, rng=0, probabilities=P, costs=COSTS)
    sure = querist.select("cost-aware(margin)", 5, probabilities=P, costs=COSTS)
    np.testing.assert_array_equal(hot.indices, sure.indices)
    nested = registry.get("class-balanced(sub-sampled(cost-aware(entropy), size=30))")
    picked = nested(6, rng=0, probabilities=P, costs=COSTS)
    assert np.bincount(P.argmax(axis=1)[picked.indices], minlength=3).tolist() == [2, 2, 2]


def test_options_are_set_in_the_text() -> None:
    strategy = registry.get("temperature(margin, beta=2.5, kind=softrank)")
    assert strategy.options == {"beta": 2.5, "kind": "softrank"}
    assert registry.get("bait(oversample=1, noise=0.1)").options == {"noise": 0.1, "oversample": 1}
    plain = registry.get("ucb")(3, predictions=COSTS, std=COSTS[::-1], kappa=5.0)
    preset = registry.get("UCB(kappa=5)")(3, predictions=COSTS, std=COSTS[::-1])
    np.testing.assert_array_equal(plain.indices, preset.indices)
    assert preset.strategy == "ucb(kappa=5)"


@pytest.mark.parametrize(
    ("text", "error", "why"),
    [
        ("cost-aware", UnknownStrategy, r"write for example cost-aware\(margin\)"),
        ("temperature(cost-aware)", ConfigError, "wraps another strategy"),
        ("cost-aware()", ConfigError, "wraps another strategy"),
        ("margin(entropy)", ConfigError, "wraps no other"),
        ("cost-aware(margin, entropy)", ConfigError, "wraps only one"),
        ("cold-start(margin)", ConfigError, "wraps more"),
        ("cold-start(margin, k-center, entropy)(1)", ConfigError, "do not match"),
        ("temperature(margin, gamma=2)", ConfigError, "takes no gamma"),
        ("bait(gamma=2)", ConfigError, "takes no gamma"),
        ("temperature(margn)", UnknownStrategy, "Did you mean 'margin'"),
        ("temprature(margin)", UnknownStrategy, "Did you mean 'temperature'"),
        ("temperature((margin)", ConfigError, "do not match"),
        ("temperature(margin", ConfigError, "should be name"),
    ],
)
def test_texts_that_cannot_be_are_refused(text: str, error, why: str) -> None:
    with pytest.raises(error, match=why):
        registry.get(text)


def test_what_needs_scores_says_so() -> None:
    for name in ("temperature(k-center)", "density-weighted(k-center)"):
        with pytest.raises(NeedError, match="k-center picks rows together"):
            registry.get(name)(2, rng=0, embeddings=P)


def test_values_that_cannot_be_are_refused() -> None:
    with pytest.raises(BadRows, match=r"above zero. Rows: 3."):
        querist.select(
            "cost-aware(margin)", 2, probabilities=P, costs=np.where(np.arange(40) == 3, 0, COSTS)
        )
    with pytest.raises(ConfigError, match="kind is one of"):
        querist.select("temperature(margin, kind=hard)", 2, rng=0, probabilities=P)
    with pytest.raises(ConfigError, match="beta"):
        querist.select("temperature(margin, beta=-1)", 2, rng=0, probabilities=P)
    with pytest.raises(ConfigError, match="size"):
        querist.select("sub-sampled(margin, size=0)", 2, rng=0, probabilities=P)
    with pytest.raises(ShapeError, match="from 0 to 2"):
        querist.select(
            "class-balanced(margin)", 2, probabilities=P, labelled_classes=np.array([0, 3])
        )
    with pytest.raises(ConfigError, match="wraps two"):
        registry.get("cold-start(margin, k-center, k-means)")(2, rng=0, embeddings=P)


def test_beta_zero_is_at_random() -> None:
    cold = registry.get("temperature(margin, beta=0)")
    sure = np.tile([1.0, 0.0], (4, 1))  # all weights zero but for beta
    first = {int(cold(1, rng=seed, probabilities=sure).indices[0]) for seed in range(60)}
    assert first == {0, 1, 2, 3}
