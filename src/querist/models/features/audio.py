"""Features of a sound without a network: loudness by pitch, its mean and how it changes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ShapeError
from querist.models.features.rows import Rows, unit

FRAME, HOP, BANDS = 512, 256, 40
SIZE = 2 * BANDS


def audio_features(sounds: NDArray[np.floating]) -> Rows:
    """Describe sounds by numbers in which distance means difference of timbre.

    Frames of 512 samples (Hann window, half overlapping) are summed in 40 bands, which are
    narrow at low frequencies and wide at high ones, as the mel scale's; of each band's logarithm
    the mean over time and the standard deviation are taken. Overall loudness does not count.

    Args:
        sounds: (n, samples), mono.

    Returns:
        (n, 80), each row of unit length, but for silence.

    Raises:
        ShapeError: If sounds are other, or shorter than a frame.
    """
    if sounds.ndim != 2 or sounds.shape[1] < FRAME:
        raise ShapeError(
            f"sounds should be (n, samples) of at least {FRAME} samples, got {sounds.shape}."
        )
    bands = _bands()
    return unit(np.stack([_describe(sound, bands) for sound in sounds]))


def _describe(sound: NDArray[np.floating], bands: Rows) -> Rows:
    frames = np.lib.stride_tricks.sliding_window_view(sound, FRAME)[::HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(FRAME), axis=1)) ** 2
    loudness = np.log(power @ bands.T + 1e-8)
    mean = loudness.mean(axis=0)
    described: Rows = np.concatenate([mean - mean.mean(), loudness.std(axis=0)]).astype(np.float32)
    return described


def _bands() -> Rows:
    """Triangles over the spectrum, (BANDS, FRAME // 2 + 1), evenly spaced on the mel scale."""
    places = np.linspace(0, 1, FRAME // 2 + 1)
    # Half the sampling rate stands for 8 kHz; of what it is in truth nothing is known here.
    corners = (np.exp(np.linspace(0, np.log1p(8000 / 700), BANDS + 2)) - 1) * 700 / 8000
    rising = (places - corners[:-2, None]) / (corners[1:-1] - corners[:-2])[:, None]
    falling = (corners[2:, None] - places) / (corners[2:] - corners[1:-1])[:, None]
    bands: Rows = np.clip(np.minimum(rising, falling), 0, None).astype(np.float32)
    return bands
