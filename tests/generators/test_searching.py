"""Searches for the lowest minimum: on an exact model they find it; they wait for answers."""

from __future__ import annotations

import numpy as np
import pytest

from querist.core.batch import Batch
from querist.core.errors import ConfigError
from querist.core.prediction import AnsweredSample, Feedback, Prediction, Verdict, Verdicts
from querist.generators.basin_hopping import BasinHopping
from querist.generators.cluster_moves import kicked, random_cluster, rotated, spliced
from querist.generators.cut_and_splice import CutAndSplice

LJ7 = -16.505384  # a pentagonal bipyramid; Hoare and Pal, Adv. Phys. 20, 161, 1971
DISTANCE = 2.0 ** (1 / 6)


def lennard_jones(places):
    vectors = places[:, :, None] - places[:, None]
    squared = (vectors**2).sum(axis=-1) + np.where(np.eye(places.shape[1]), np.inf, 0.0)
    sixth = squared**-3
    slope = 24 * (2 * sixth**2 - sixth) / squared
    return 2 * (sixth**2 - sixth).sum(axis=(1, 2)), (slope[..., None] * vectors).sum(axis=2)


def feedback(proposal, verdict=Verdict.TRUST, version=1) -> Feedback:
    count = len(proposal.walkers)
    energy, forces = lennard_jones(np.asarray(proposal.batch["positions"]))
    said = Prediction(Batch.stack(energy=energy, forces=forces), Batch({}))
    verdicts = Verdicts(np.full(count, verdict, np.int8), np.zeros(count))
    return Feedback(proposal.walkers, said, verdicts, info={"version": version})


@pytest.mark.parametrize("kind", [BasinHopping, CutAndSplice])
def test_the_global_minimum_is_found_on_an_exact_model(kind) -> None:
    search = kind([18] * 7, DISTANCE, walkers=4, seed=0)
    best = np.inf
    for _ in range(800):
        search.observe(feedback(search.propose()))
        best = min(best, float(np.nanmin(search._descent.energy)))
    assert search.landings > 4
    assert best == pytest.approx(LJ7, abs=1e-4)


def arrive(search) -> np.ndarray:
    """Relax, asking about everything; returns where the walkers wait."""
    for _ in range(300):
        proposal = search.propose()
        if not len(proposal.walkers):
            break
        search.observe(feedback(proposal, Verdict.ASK))
    return search._descent.place.copy()


def answer(search, place, outputs) -> Feedback:
    sample = search._samples(place[None]).sample(0)
    answers = (AnsweredSample(0, sample, outputs),)
    none = Verdicts(np.zeros(0, np.int8), np.zeros(0))
    return Feedback(np.zeros(0, np.int64), None, none, answers, {"version": 1})


def test_where_it_lands_it_waits_for_the_answer() -> None:
    search = BasinHopping([18] * 5, DISTANCE, walkers=1, seed=1)
    place = arrive(search)[0]
    assert not len(search.propose().walkers)
    energy, forces = lennard_jones(place[None])
    search.observe(answer(search, place, {"energy": energy[0], "forces": forces[0]}))
    assert search.landings == 1
    assert search._energy[0] == energy[0]
    assert len(search.propose().walkers) == 1


def test_a_newer_model_frees_what_waits() -> None:
    search = BasinHopping([18] * 5, DISTANCE, walkers=1, seed=1)
    place = arrive(search)[0]
    none = Verdicts(np.zeros(0, np.int8), np.zeros(0))
    search.observe(Feedback(np.zeros(0, np.int64), None, none, (), {"version": 2}))
    again = search.propose()
    np.testing.assert_array_equal(again.batch["positions"][0], place)
    search.observe(feedback(again, version=2))  # trusted now
    assert search.landings == 1


def test_an_answer_with_large_forces_is_no_landing() -> None:
    search = BasinHopping([18] * 5, DISTANCE, walkers=1, seed=1)
    place = arrive(search)[0]
    outputs = {"energy": np.array(-1.0), "forces": np.ones((5, 3))}
    search.observe(answer(search, place, outputs))
    assert search.landings == 0
    np.testing.assert_array_equal(search.propose().batch["positions"][0], place)


def test_what_fails_again_and_again_counts_for_nothing() -> None:
    search = BasinHopping([18] * 5, DISTANCE, walkers=1, seed=1)
    for _ in range(4):
        place = arrive(search)[0]
        search.observe(answer(search, place, None))
        if search.landings:
            break
    arrive(search)
    assert search.landings >= 1
    assert search._energy[0] == np.inf  # never accepted


def test_what_makes_no_sense_is_left() -> None:
    search = CutAndSplice([18] * 5, DISTANCE, walkers=2, seed=3)
    first = search.propose()
    for _ in range(10):
        search.observe(feedback(search.propose(), Verdict.REJECT))
    now = np.asarray(search.propose().batch["positions"])
    same = np.isclose(now, np.asarray(first.batch["positions"])).all(axis=(1, 2))
    assert not same.any()
    assert len(search._energies) == 0


def test_a_population_keeps_different_minima_and_forgets_the_worst() -> None:
    search = CutAndSplice([18] * 5, DISTANCE, walkers=1, population=2, seed=0)
    for energy in (-5.0, -5.001, -7.0, -6.0, np.inf):
        search._landed(0, energy, np.full((5, 3), energy))
    assert sorted(search._energies.tolist()) == [-7.0, -6.0]


def test_moves_keep_atoms_apart() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        one, other = (random_cluster(rng, 13, 1.0) for _ in range(2))
        child = spliced(rng, one, other, 1.0)
        assert child.shape == (13, 3)
        apart = np.linalg.norm(child[:, None] - child[None], axis=2) + 9 * np.eye(13)
        assert apart.min() > 0.74
        np.testing.assert_allclose(child.mean(axis=0), 0.0, atol=1e-12)
        turned = rotated(rng, one)
        np.testing.assert_allclose(
            np.linalg.norm(turned, axis=1), np.linalg.norm(one, axis=1), rtol=1e-9
        )
        assert np.linalg.norm(kicked(rng, one, 0.4), axis=1).max() <= (
            np.linalg.norm(one, axis=1).max() + 1e-9
        )


def test_what_has_no_meaning_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 2 atoms"):
        BasinHopping([18], DISTANCE)
    with pytest.raises(ConfigError, match="one element"):
        CutAndSplice([18, 36], DISTANCE)
