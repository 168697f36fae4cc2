"""Every combination of kernel, transforms and selection is what its kernel matrix says."""

from __future__ import annotations

import numpy as np
import pytest

import querist
from querist.core.errors import ConfigError
from querist.strategies import kernels, registry
from querist.strategies.errors import NeedError
from querist.strategies.kernels import Features
from querist.strategies.needs import NEEDS
from querist.strategies.regression.bmdal import read
from querist.strategies.rows import rows_of
from querist.testing.strategies import STRATEGY_CHECKS, follows
from querist.testing.strategy_references.distances import k_means_pp
from querist.testing.strategy_references.schemes import SCHEMES

RNG = np.random.default_rng(5)
POOL, TRAIN = RNG.normal(size=(60, 6)), RNG.normal(size=(8, 6))


def applies(check: str, scheme: str) -> bool:
    """Not where a check has one feature and a scheme two members, or would take minutes."""
    slow = check == "check_memory_is_bounded" and "nngp" in scheme  # see test_nngp_is_bounded
    return not slow and not (check == "check_dull_pools" and "ensemble" in scheme)


CASES = [(c, s) for c in STRATEGY_CHECKS for s in SCHEMES if applies(c.__name__, s)]


@pytest.mark.parametrize("check, scheme", CASES, ids=lambda one: getattr(one, "__name__", one))
def test_contract(check, scheme: str) -> None:
    if check.__name__ == "check_tensors_are_as_good":
        pytest.importorskip("torch")
    check(registry.get(f"bmdal(scheme={scheme})"))


def test_nngp_is_bounded() -> None:
    import tracemalloc

    pool = RNG.normal(size=(20_000, 32))
    tracemalloc.start()
    for scheme in ("nngp -> scale -> lcmd", "nngp -> posterior(0.1) -> max-det"):
        data = {"embeddings": pool, "labelled_embeddings": pool[:9] + 0.1}
        querist.select("bmdal", 5, scheme=scheme, **data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6


def features() -> Features:
    return Features(rows_of("embeddings", NEEDS["embeddings"], POOL), TRAIN)


def test_a_posterior_is_the_same_from_few_or_many_labels() -> None:
    for train in (TRAIN[:3], np.concatenate([TRAIN] * 3)):
        found = kernels.posterior(Features(features().pool, train), 0.3)
        gram = train @ train.T + 0.09 * np.eye(len(train))
        told = POOL @ train.T
        expected = POOL @ POOL.T - told @ np.linalg.solve(gram, told.T)
        whole = found.pool.whole()
        np.testing.assert_allclose(whole @ whole.T, expected, atol=1e-10)


def test_a_sketch_is_unbiased() -> None:
    rngs = [np.random.default_rng(seed) for seed in range(900)]
    whole = [kernels.sketch(features(), 8, rng).pool.whole() for rng in rngs]
    mean = np.mean([one @ one.T for one in whole], axis=0)
    assert np.abs(mean - POOL @ POOL.T).max() < 0.15 * np.abs(POOL @ POOL.T).max()


def test_acs_random_features_follow_the_posterior() -> None:
    """Their mean over draws is what the expected log likelihood is on average."""
    sigma, noise = 0.7, 0.49
    found = kernels.random_features(features(), 60_000, sigma, np.random.default_rng(0))
    spread = np.linalg.inv(np.eye(6) + TRAIN.T @ TRAIN / noise)
    variance = np.einsum("ij,jk,ik->i", POOL, spread, POOL)
    expected = 0.5 * np.log1p(variance / noise) - variance / noise
    mean = found.pool.take(np.arange(9)).mean(axis=1) * 60_000**0.5
    np.testing.assert_allclose(mean, expected[:9], rtol=0.05, atol=0.01)


@pytest.mark.parametrize("kernel", ["linear", "nngp"])
def test_k_means_pp_draws_by_the_law(kernel: str) -> None:
    from collections import Counter

    pool = POOL[:6]
    rng, seen = np.random.default_rng(0), Counter()
    strategy = registry.get(f"bmdal(scheme={kernel} -> k-means++(p))")
    for _ in range(1500):
        seen[tuple(strategy(2, rng=rng, embeddings=pool).indices.tolist())] += 1
    if kernel == "linear":
        follows(seen, k_means_pp(2, pool))
        return
    values, vectors = np.linalg.eigh(kernels.nngp().between(pool, pool))
    follows(seen, k_means_pp(2, vectors * np.sqrt(np.maximum(values, 0.0))))


def test_bait_by_a_scheme_is_bait() -> None:
    noise = float(0.01 * (POOL**2).sum(axis=1).mean())
    data = {"embeddings": POOL, "labelled_embeddings": TRAIN}
    plain = querist.select("bait", 6, **data)
    same = querist.select("bmdal", 6, scheme=f"linear -> bait(tp, {noise**0.5!r}, 2)", **data)
    np.testing.assert_array_equal(plain.indices, same.indices)
    after = f"linear -> posterior({noise**0.5!r}) -> bait({noise**0.5!r}, 2)"
    assert len(querist.select("bmdal", 6, scheme=after, **data)) == 6


@pytest.mark.parametrize(
    ("scheme", "why"),
    [
        ("lcmd", "where it belongs"),
        ("linear", "where it belongs"),
        ("linear -> nothing -> lcmd", "no transform"),
        ("linear -> posterior(0) -> lcmd", "sigma above 0"),
        ("linear -> posterior(a) -> lcmd", "numbers"),
        ("linear -> lcmd(1)", "numbers"),
        ("linear(2) -> lcmd", "want a step named ensemble"),
        ("linear(4) -> ensemble -> lcmd", "not those of 4 members"),
        ("nngp -> sketch(4) -> lcmd", "wants features"),
        ("nngp -> bait", "wants features"),
        ("linear -> bait(0)", "sigma above 0"),
    ],
)
def test_schemes_that_cannot_be_are_refused(scheme: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        querist.select("bmdal", 3, embeddings=POOL, scheme=scheme)


def test_what_draws_asks_for_a_generator() -> None:
    for steps in ("sketch(3) -> lcmd", "k-means++", "acs-rf(4) -> lcmd"):
        scheme = f"linear -> {steps}"
        with pytest.raises(NeedError, match="rng"):
            querist.select("bmdal", 3, embeddings=POOL, scheme=scheme)
        assert len(querist.select("bmdal", 3, rng=0, embeddings=POOL, scheme=scheme)) == 3


def test_a_scheme_is_read_into_steps() -> None:
    first, transforms, last = read("nngp(2, 1.4) -> scale -> posterior(0.1) -> max-det(tp, 0.5)")
    assert (first.name, first.values) == ("nngp", (2, 1.4))
    assert [step.name for step in transforms] == ["scale", "posterior"]
    assert last.values == ("tp", 0.5)
