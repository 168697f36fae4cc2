"""What several methods compute of probabilities; classes on the last axis, natural logarithms."""

from __future__ import annotations

from querist.strategies.arrays import Array, filled, namespace, xlogx


def entropy_of(probabilities: Array) -> Array:
    """Shannon entropy in nats, of ``(..., C)``: ``(...)``."""
    return -namespace(probabilities).sum(xlogx(probabilities), axis=-1)


def two_highest(probabilities: Array) -> tuple[Array, Array]:
    """The highest and the second highest probability of ``(n, C)`` rows; 0 is second of one class.

    A pass over columns: ten times as fast as partitioning rows.
    """
    xp = namespace(probabilities)
    first = probabilities[:, 0]
    second = filled(len(first), 0.0, "float64", first)
    for c in range(1, probabilities.shape[1]):
        column = probabilities[:, c]
        second = xp.maximum(second, xp.minimum(first, column))
        first = xp.maximum(first, column)
    return first, second


def consensus(member_probabilities: Array) -> Array:
    """Mean over members of ``(n, T, C)``: ``(n, C)``."""
    return namespace(member_probabilities).mean(member_probabilities, axis=1)


def votes(member_probabilities: Array) -> Array:
    """``(n, C)`` share of members that hold each class likeliest; of equals, the first class."""
    xp = namespace(member_probabilities)
    chosen = xp.argmax(member_probabilities, axis=2)
    members, classes = member_probabilities.shape[1:]
    shares = filled((len(chosen), classes), 0.0, "float64", member_probabilities)
    for c in range(classes):
        shares[:, c] = xp.sum(chosen == c, axis=1) / members
    return shares
