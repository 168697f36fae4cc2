"""Features of sounds."""

from __future__ import annotations

import numpy as np
import pytest

from querist.core.errors import ShapeError
from querist.models.features.audio import SIZE, audio_features

TIME = np.arange(16_000) / 16_000


def tone(hertz: float, loudness: float = 0.5) -> np.ndarray:
    return loudness * np.sin(2 * np.pi * hertz * TIME)


def test_pitch_tells_apart_what_loudness_does_not() -> None:
    low, quiet, high = audio_features(np.stack([tone(300), tone(300, 0.1), tone(3000)]))
    assert low.shape == (SIZE,)
    assert low @ quiet > 0.95
    assert low @ high < low @ quiet - 0.3


def test_what_changes_is_no_steady_sound() -> None:
    steady = tone(500)
    beating = steady * (np.sin(2 * np.pi * 3 * TIME) > 0)
    rows = audio_features(np.stack([steady, beating]))
    assert np.isfinite(rows).all()
    assert rows[0] @ rows[1] < 0.9


def test_silence_is_zero_and_no_error() -> None:
    assert not audio_features(np.zeros((1, 2000))).any()


@pytest.mark.parametrize("shape", [(4,), (2, 100), (2, 600, 2)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="at least 512 samples"):
        audio_features(np.zeros(shape))
