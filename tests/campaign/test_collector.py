"""What leaves an explorer: the best of each walker, a fair probe, true counts."""

from __future__ import annotations

from collections import Counter

import numpy as np

from querist.campaign.handlers.collector import Collector
from querist.core.batch import Batch, Sample
from querist.core.prediction import Verdict, Verdicts


def step(collector: Collector, scores, verdicts, walkers=None, base: float = 0.0) -> None:
    count = len(scores)
    walkers = np.arange(count) if walkers is None else np.asarray(walkers)
    batch = Batch.stack(x=base + np.arange(count, dtype=float)[:, None])
    said = Verdicts(np.asarray(verdicts, np.int8), np.asarray(scores, float))
    collector.add(batch, lambda: walkers, said)


def collector(reject: float = np.inf, seed: int = 0) -> Collector:
    return Collector(np.random.default_rng(seed), reject)


def test_only_the_most_uncertain_candidate_of_each_walker_leaves() -> None:
    found = collector()
    ask = [Verdict.ASK] * 2
    step(found, [1.0, 5.0], ask, base=0)
    step(found, [3.0, 4.0], ask, base=10)
    step(found, [2.0, 9.0], [Verdict.ASK, Verdict.TRUST], base=20)
    result = found.result()
    assert result["walkers"].tolist() == [0, 1]
    assert result["scores"].tolist() == [3.0, 5.0]
    assert result["candidates"]["x"].ravel().tolist() == [10.0, 1.0]
    assert result["candidates"].keys == tuple(
        Sample.of({"x": np.array([v])}).id for v in (10.0, 1.0)
    )


def test_counts_tell_rejected_scores_from_filtered_samples() -> None:
    found = collector(reject=10.0)
    step(
        found,
        [0.1, 2.0, 11.0, 0.5, np.nan],
        [Verdict.TRUST, Verdict.ASK, Verdict.REJECT, Verdict.REJECT, Verdict.REJECT],
    )
    result = found.result()
    names = ("steps", "proposed", "trusted", "asked", "rejected", "filtered")
    assert [result[name] for name in names] == [1, 5, 1, 1, 1, 2]
    assert result["sketch"].count == 2  # rejected ones do not shift the threshold


def test_the_probe_is_uniform_over_sensible_samples() -> None:
    drawn: Counter[float] = Counter()
    for seed in range(1200):
        found = collector(seed=seed)
        step(found, [1.0, 1.0, 1.0], [Verdict.TRUST] * 3, base=0)
        step(found, [1.0, 1.0], [Verdict.REJECT, Verdict.ASK], base=10)
        step(found, [1.0] * 4, [Verdict.TRUST] * 4, base=20)
        drawn[float(found.result()["probes"]["x"][0, 0])] += 1
    assert set(drawn) == {0.0, 1.0, 2.0, 11.0, 20.0, 21.0, 22.0, 23.0}
    expected = 1200 / 8
    # Chi-squared with 7 degrees of freedom: 29.9 is exceeded once in 10^4.
    assert sum((n - expected) ** 2 / expected for n in drawn.values()) < 29.9


def test_nothing_found_is_a_result_too() -> None:
    result = collector().result()
    assert len(result["candidates"]) == len(result["probes"]) == 0
    assert result["steps"] == result["sketch"].count == 0
