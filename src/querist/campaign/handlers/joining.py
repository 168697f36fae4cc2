"""Batches of several generators as one: molecules beside crystals, ions beside what is neutral."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from querist.core.batch import Batch, Sample
from querist.sources.formats import aligned


def joined(batches: Iterable[Batch]) -> Batch:
    """All samples in order; optional fields of atoms that some have, all have with defaults.

    Raises:
        ShapeError: If they differ in other fields.
    """
    parts = [batch for batch in batches if len(batch)]
    if any(part.columns.keys() != parts[0].columns.keys() for part in parts[1:]):
        parts = aligned(parts)
    return Batch.concatenate(parts)


def gathered(samples: Sequence[Sample]) -> Batch:
    """One batch of samples, as :func:`joined`; they keep their ids."""
    if len({frozenset(sample.arrays) for sample in samples}) <= 1:
        return Batch.from_samples(samples)
    whole = joined(Batch.from_samples([sample]) for sample in samples)
    return Batch(whole.columns, tuple(sample.id for sample in samples), whole.uris)
