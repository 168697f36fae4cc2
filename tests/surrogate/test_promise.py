"""The promise as a whole: models that learn, gates that open, audits never trained on."""

from __future__ import annotations

import numpy as np
import pytest

from querist import Batch, Surrogate
from querist.accounting.effective_terms import exact_interval
from querist.core.answers import Purpose
from querist.core.errors import QueristError
from querist.surrogate.errors import DriftWarning, Refused
from querist.surrogate.state import JUDGES


class Wave:
    """A simulation that can be shifted, and fails on one side."""

    def __init__(self, fails_beyond: float = 2.0, noise: float = 0.0) -> None:
        self.shift, self._fails, self.calls = 0.0, fails_beyond, 0
        self._noise, self._rng = noise, np.random.default_rng(5)

    def truth(self, x: np.ndarray) -> np.ndarray:
        return np.sin(4 * x[..., 0]) * np.cos(3 * x[..., 1]) + self.shift

    def __call__(self, x):
        self.calls += 1
        if x[0] > self._fails:
            raise FloatingPointError("it diverged")
        return float(self.truth(x) + self._noise * self._rng.standard_normal())


def run(
    surrogate: Surrogate, wave: Wave, batches: int, rng: np.random.Generator, tolerance: float
) -> tuple[int, int]:
    """Calls answered by the model, and those whose error was beyond the tolerance."""
    by_model = beyond = 0
    for _ in range(batches):
        x = rng.uniform(size=(25, 2))
        answers = surrogate.ask(Batch.stack(x=x))
        rows = np.flatnonzero(answers.source == "model")
        if len(rows):
            told = answers["result"][np.searchsorted(answers.answered, rows)]
            by_model += len(rows)
            beyond += int((np.abs(told - wave.truth(x[rows])) > tolerance).sum())
    return by_model, beyond


def test_audits_judge_and_are_never_learned_from() -> None:
    wave = Wave()
    surrogate = Surrogate(wave, tolerance=0.02, audit=0.2, seed=3)
    run(surrogate, wave, 30, np.random.default_rng(0), 0.02)
    state = surrogate._keeper.state
    assert {one.purpose for one in state.learned} == {Purpose.TRAIN.value}
    assert {one.purpose for one in state.judging} == set(JUDGES)
    learned = {one.inputs["x"].tobytes() for one in state.learned}
    assert not learned & {one.inputs["x"].tobytes() for one in state.judging}
    for published in state.published.values():
        seen = [one for one in state.learned if one.seq <= published.cutoff]
        assert published.rows == len(seen)
    audits = [one for one in state.judging if one.purpose == Purpose.AUDIT.value]
    assert len(audits) == state.counts.audits > 20


def test_drift_raises_an_alarm_closes_the_gate_and_is_learned_away() -> None:
    told: list = []
    wave, rng = Wave(), np.random.default_rng(1)
    surrogate = Surrogate(wave, tolerance=0.02, on_alarm=told.append, audit=0.1)
    run(surrogate, wave, 32, rng, 0.02)
    assert surrogate.status()["threshold"] is not None
    assert not told
    wave.shift = 0.3
    while not told:
        by_model, beyond = run(surrogate, wave, 1, rng, 0.02)
    assert surrogate.status()["threshold"] is None
    alarm = surrogate.status()["alarms"][0]
    assert alarm == told[0]
    assert 0 < alarm["wrong"] <= alarm["audits"]
    assert alarm["calls"] >= alarm["false_accepts"] > 0
    assert beyond <= by_model
    run(surrogate, wave, 24, rng, 0.02)
    by_model, beyond = run(surrogate, wave, 8, rng, 0.02)
    assert by_model > 100
    assert beyond < 0.05 * by_model


def test_after_an_alarm_old_labels_are_left_out_until_an_old_model_passes_again() -> None:
    told: list = []
    wave, rng = Wave(), np.random.default_rng(1)
    surrogate = Surrogate(wave, tolerance=0.02, on_alarm=told.append, audit=0.1)
    run(surrogate, wave, 32, rng, 0.02)
    before = surrogate.status()["learned_from"]
    wave.shift = 0.3
    while not told:
        run(surrogate, wave, 1, rng, 0.02)
    wave.shift = 0.0  # a server that was out of order for a while
    run(surrogate, wave, 1, rng, 0.02)
    assert surrogate.status()["learned_from"] < before
    while surrogate.status()["threshold"] is None:
        run(surrogate, wave, 1, rng, 0.02)
    assert surrogate.status()["learned_from"] > before


def test_without_a_hook_an_alarm_is_a_warning() -> None:
    wave, rng = Wave(), np.random.default_rng(1)
    surrogate = Surrogate(wave, tolerance=0.02, audit=0.3)
    run(surrogate, wave, 24, rng, 0.02)
    wave.shift = 0.3
    with pytest.warns(DriftWarning, match="beyond the tolerance"):
        run(surrogate, wave, 8, rng, 0.02)


def test_inputs_that_would_fail_are_not_asked() -> None:
    wave, rng = Wave(fails_beyond=0.6), np.random.default_rng(2)
    surrogate = Surrogate(wave, tolerance=0.02)
    run(surrogate, wave, 30, rng, 0.02)
    assert surrogate.status()["refusal"] is not None
    hopeless = np.column_stack([np.full(200, 0.9), rng.uniform(size=200)])
    before = wave.calls
    counted = surrogate.status()["refused"]
    answers = surrogate.ask(Batch.stack(x=hopeless))
    assert answers.share("refused") > 0.8
    assert surrogate.status()["refused"] - counted == (answers.source == "refused").sum()
    assert wave.calls - before == 200 - (answers.source == "refused").sum() < 40
    assert "expected to fail" in answers.messages[int(np.argmax(answers.source == "refused"))]
    errors = []
    for x in hopeless[:10]:
        with pytest.raises(QueristError) as raised:  # an audit now and then tries all the same
            surrogate(x)
        errors.append(type(raised.value))
    assert Refused in errors


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_the_model_errs_as_seldom_as_promised(noise: float) -> None:
    """Over 16 surrogates: all their trusted answers, and how many gates break the promise."""
    by_model = beyond = broken = opened = 0
    tolerance = 0.05
    for seed in range(16):
        wave, rng = Wave(noise=noise), np.random.default_rng(seed)
        surrogate = Surrogate(wave, tolerance=tolerance, coverage=0.9, confidence=0.9, seed=seed)
        trusted, wrong = run(surrogate, wave, 24, rng, tolerance)
        by_model, beyond = by_model + trusted, beyond + wrong
        gate = surrogate._keeper.state.gate
        if gate.threshold is not None:
            x = rng.uniform(size=(2000, 2))
            said = surrogate._keeper.voice().say(Batch.stack(x=x))
            chosen = said.score <= gate.threshold
            told = np.abs(said.mean["result"][chosen] - wave.truth(x[chosen])) > tolerance
            opened, broken = opened + 1, broken + bool(told.mean() > 0.1)
    assert opened > 12
    low, _ = exact_interval(broken, opened)
    assert low <= 0.1
    _, high = exact_interval(by_model - beyond, by_model)
    assert high >= 0.9
    assert beyond / by_model < 0.1
