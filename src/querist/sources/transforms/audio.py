"""Sound: a file of any rate, length and number of channels becomes one channel of fixed length."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import ConfigError, require
from querist.sources.transforms.contract import BadItem, Decoded, Stacked, digest_of, stack

Part = Literal["start", "middle", "end"]
Quality = Literal["QQ", "LQ", "MQ", "HQ", "VHQ"]
_PARTS = ("start", "middle", "end")
_QUALITIES = ("QQ", "LQ", "MQ", "HQ", "VHQ")
_CHANNELS = 64
_RATES = (1, 768_000)


class _Bytes(io.BytesIO):
    """A seek to before the beginning stays where it is; libsndfile then finds the file damaged."""

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return super().seek(offset, whence)
        except (ValueError, OverflowError):
            return self.tell()


@dataclass(frozen=True)
class Audio:
    """Decode a sound: WAV, FLAC, Ogg, MP3, AIFF and what else libsndfile reads.

    Channels are averaged. Only the part that is wanted is unpacked, so that a small file of many
    hours costs no memory.

    Attributes:
        rate: Samples a second of the result.
        seconds: Its length; a shorter sound is followed by silence.
        part: Which part of a longer sound is taken.
        quality: Of the resampling, soxr's names: QQ (quick) to VHQ.
        normalise: Scale the loudest sample to 1 (silence stays silence).
    """

    rate: int = 16_000
    seconds: float = 1.0
    part: Part = "start"
    quality: Quality = "HQ"
    normalise: bool = False
    modality: str = field(default="audio", init=False)
    digest: str = field(default="", init=False, compare=False)

    def __post_init__(self) -> None:
        if not _RATES[0] <= self.rate <= _RATES[1]:
            raise ConfigError(f"rate is from {_RATES[0]} to {_RATES[1]:,}, got {self.rate}.")
        if not 1 <= round(self.seconds * self.rate) <= 1 << 30:
            raise ConfigError(f"seconds gives at least one sample, got {self.seconds}.")
        if self.part not in _PARTS:
            raise ConfigError(f"part is one of {', '.join(_PARTS)}, got {self.part!r}.")
        if self.quality not in _QUALITIES:
            raise ConfigError(f"quality is one of {', '.join(_QUALITIES)}, got {self.quality!r}.")
        settings = {name: v for name, v in asdict(self).items() if name != "digest"}
        object.__setattr__(self, "digest", digest_of("audio", 1, settings))

    @property
    def samples(self) -> int:
        """How many samples the result has."""
        return round(self.seconds * self.rate)

    @property
    def item_bytes(self) -> int:
        """Bytes of one decoded sound."""
        return self.samples * 4

    def decode(self, data: bytes) -> NDArray[np.float32]:
        """One sound, float32 of shape (samples,), full scale being -1 to 1.

        Raises:
            BadItem: If it is no sound, or is cut short.
        """
        soundfile = require("soundfile", "audio", "Reading sounds")
        try:
            with soundfile.SoundFile(_Bytes(data)) as file:
                stored, rate = self._stored(file)
        except BadItem:
            raise
        # Whatever libsndfile raises about strange bytes is a fact about this item.
        except Exception as error:
            raise BadItem(f"Not a sound that can be read: {error}.") from error
        return self._fitted(stored, rate)

    def _stored(self, file: Any) -> tuple[NDArray[np.float32], int]:
        """The part that is wanted, one channel, at the file's own rate."""
        rate, channels, frames = file.samplerate, file.channels, file.frames
        if not _RATES[0] <= rate <= _RATES[1] or not 1 <= channels <= _CHANNELS:
            raise BadItem(f"A sound of {channels} channels at {rate} samples a second is no sound.")
        wanted = min(-(-self.samples * rate // self.rate), frames)
        begin = {"start": 0, "middle": (frames - wanted) // 2, "end": frames - wanted}[self.part]
        if begin:
            file.seek(begin)
        found = file.read(wanted, dtype="float32", always_2d=True)
        if len(found) < wanted:
            raise BadItem(
                f"The sound is cut short: {len(found):,} of {wanted:,} samples are there."
            )
        if not np.isfinite(found).all():
            raise BadItem("The sound has samples that are no numbers.")
        return found.mean(axis=1, dtype=np.float32), rate

    def _fitted(self, stored: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
        if rate != self.rate and len(stored):
            soxr = require("soxr", "audio", "Resampling sounds")
            stored = soxr.resample(stored, rate, self.rate, quality=self.quality)
        out = np.zeros(self.samples, np.float32)
        kept = stored[: self.samples]
        out[: len(kept)] = kept
        loudest = float(np.abs(out).max())
        if self.normalise and loudest:
            out /= loudest
        return out

    def stack(self, items: Sequence[Decoded]) -> Stacked:
        """Sounds as one array, float32 of shape (n, samples)."""
        return stack(items)
