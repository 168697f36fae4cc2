"""Sounds: rates, channels, lengths, parts, damaged and endless files."""

from __future__ import annotations

import io

import numpy as np
import pytest

from querist.core.errors import ConfigError
from querist.sources.transforms.audio import Audio
from querist.sources.transforms.contract import BadItem

soundfile = pytest.importorskip("soundfile")
pytest.importorskip("soxr")


def encoded(samples: np.ndarray, rate: int, kind: str = "WAV", subtype: str | None = None) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, samples, rate, format=kind, subtype=subtype)
    return out.getvalue()


def tone(rate: int, seconds: float, hertz: float = 440.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(int(rate * seconds)) / rate)


def test_a_sound_of_the_wanted_rate_is_left_alone() -> None:
    samples = tone(16_000, 1.0).astype(np.float32)
    got = Audio().decode(encoded(samples, 16_000, subtype="FLOAT"))
    np.testing.assert_array_equal(got, samples)


@pytest.mark.parametrize("rate", [8000, 11_025, 44_100, 48_000, 96_000])
def test_a_tone_stays_the_tone_at_any_rate(rate: int) -> None:
    got = Audio(rate=16_000, seconds=0.5).decode(encoded(tone(rate, 1.0), rate))
    assert got.shape == (8000,)
    middle = slice(500, 7500)
    np.testing.assert_allclose(got[middle], tone(16_000, 0.5)[middle], atol=5e-3)


def test_channels_are_averaged() -> None:
    both = np.stack([tone(16_000, 1.0), -tone(16_000, 1.0)], axis=1)
    assert np.abs(Audio().decode(encoded(both, 16_000))).max() < 1e-3


def test_a_short_sound_is_followed_by_silence() -> None:
    got = Audio(seconds=2.0).decode(encoded(np.full(16_000, 0.5), 16_000))
    assert np.abs(got[:16_000] - 0.5).max() < 1e-3
    assert (got[16_000:] == 0).all()
    assert (Audio().decode(encoded(np.zeros(0), 16_000)) == 0).all()


@pytest.mark.parametrize(("part", "level"), [("start", 0.1), ("middle", 0.2), ("end", 0.3)])
def test_a_part_of_a_long_sound(part: str, level: float) -> None:
    steps = np.repeat([0.1, 0.2, 0.3], 16_000)
    got = Audio(part=part).decode(encoded(steps, 16_000, "FLAC"))
    np.testing.assert_allclose(got, level, atol=1e-3)


def test_normalising() -> None:
    got = Audio(normalise=True).decode(encoded(tone(16_000, 1.0), 16_000))
    assert np.abs(got).max() == 1.0
    assert (Audio(normalise=True).decode(encoded(np.zeros(9), 16_000)) == 0).all()


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "AIFF", "MP3"])
def test_formats(kind: str) -> None:
    got = Audio(rate=8000).decode(encoded(tone(16_000, 1.2), 16_000, kind))
    assert 0.3 < np.abs(got).max() < 0.7


def test_of_a_long_silence_only_a_second_is_unpacked(monkeypatch) -> None:
    """A few kilobytes of FLAC that would be many megabytes of samples."""
    data = encoded(np.zeros(16_000 * 600, np.int16), 16_000, "FLAC")
    assert len(data) < 100_000
    asked: list[int] = []
    read = soundfile.SoundFile.read
    monkeypatch.setattr(
        soundfile.SoundFile,
        "read",
        lambda file, frames, **rest: asked.append(frames) or read(file, frames, **rest),
    )
    assert Audio(part="end").decode(data).shape == (16_000,)
    assert asked == [16_000]


def test_samples_that_are_no_numbers_are_a_bad_item() -> None:
    with pytest.raises(BadItem, match="no numbers"):
        Audio().decode(encoded(np.full(100, np.nan, np.float32), 16_000, subtype="FLOAT"))


@pytest.mark.parametrize(
    "settings",
    [{"rate": 0}, {"seconds": 0.0}, {"seconds": 1e9}, {"part": "x"}, {"quality": "x"}],
)
def test_settings_that_make_no_sense_are_refused(settings: dict) -> None:
    with pytest.raises(ConfigError):
        Audio(**settings)
