"""Samples from an iterator: a file that is read along, a simulation, a message queue."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np

from querist.core.batch import Array, Batch, Sample
from querist.core.errors import ConfigError
from querist.core.prediction import Feedback, Proposal
from querist.core.tasks import resolve


@dataclass(eq=False)
class Stream:
    """Proposes what an iterator yields, in its order, until it ends.

    To continue after a crash it makes the iterator anew and passes over what was consumed, so the
    source must be a function or an iterable that begins again with the same samples.

    Attributes:
        source: An iterable, a function that makes one, or its "package.module:attribute". It yields
            samples or mappings of arrays.
        chunk: How many at a time.
        options: Keyword arguments of the function.
    """

    source: Iterable[Any] | Callable[..., Iterable[Any]] | str
    chunk: int = 64
    options: Mapping[str, Any] = field(default_factory=dict)
    _iterator: Iterator[Any] | None = field(default=None, init=False, repr=False)
    _consumed: int = field(default=0, init=False, repr=False)

    def propose(self) -> Proposal:
        """The next ``chunk`` samples; fewer at the end, none after it."""
        batch = self._take(self.chunk)
        return Proposal(batch, np.arange(len(batch), dtype=np.int64))

    def observe(self, feedback: Feedback) -> None:
        """A stream does not depend on what is thought of it."""

    def initial(self, count: int) -> Batch:
        """The next ``count`` samples, which are not proposed again."""
        return self._take(count)

    def state(self) -> tuple[Mapping[str, Array], Mapping[str, Any]]:
        """How many samples were consumed."""
        return {}, {"consumed": self._consumed}

    def restore(self, arrays: Mapping[str, Array], data: Mapping[str, Any]) -> None:
        """Begin again and pass over what was consumed.

        Raises:
            ConfigError: If the source is an iterator that cannot begin again, or became shorter.
        """
        if isinstance(self.source, Iterator):
            raise ConfigError(
                "a stream of a bare iterator cannot be continued; give a function that makes it."
            )
        self._iterator, self._consumed = None, 0
        wanted = int(data["consumed"])
        self._consumed = sum(1 for _ in islice(self._opened(), wanted))
        if self._consumed < wanted:
            raise ConfigError(
                f"the stream had given {wanted} samples, but now ends after {self._consumed}."
            )

    def _take(self, count: int) -> Batch:
        samples = [_sample(item) for item in islice(self._opened(), count)]
        self._consumed += len(samples)
        return Batch.from_samples(samples)

    def _opened(self) -> Iterator[Any]:
        if self._iterator is None:
            source = resolve(self.source) if isinstance(self.source, str) else self.source
            self._iterator = iter(source(**self.options) if callable(source) else source)
        return self._iterator


def _sample(item: Any) -> Sample:
    return item if isinstance(item, Sample) else Sample.of(item)
