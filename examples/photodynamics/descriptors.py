"""What the networks of ``diabatic.py`` see of a place, and what their outputs are multiplied with.

Each element of the diabatic matrix is a sum of a network's outputs, each times a *carrier*: 1, or a
function of the coordinates that has the element's sign under the exchange of equal atoms and under
reflection. So symmetry is exact, and elements vanish where they must: no network has to learn it.

Units: Angstrom.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations, combinations_with_replacement, product
from typing import NamedTuple

import torch


class Seen(NamedTuple):
    """Of ``n`` places with ``q`` coordinates.

    Attributes:
        values: ``(n, f)`` features.
        slopes: ``(n, f, q)`` theirs.
        carriers: ``(n, o)`` what each output is multiplied with, or ``(1, o)``.
        tilts: ``(n, o, q)`` their slopes, or ``(1, o, 1)``.
        elements: ``(o,)`` of the matrix's upper triangle, that each output belongs to: the diagonal
            first, then the rows.
    """

    values: torch.Tensor
    slopes: torch.Tensor
    carriers: torch.Tensor
    tilts: torch.Tensor
    elements: torch.Tensor

    def first(self, count: int | None) -> Seen:
        """Of so many places."""
        one = len(self.carriers) == 1  # for all places
        carriers, tilts = (x if one else x[:count] for x in (self.carriers, self.tilts))
        return Seen(self.values[:count], self.slopes[:count], carriers, tilts, self.elements)


def plain(values: torch.Tensor, slopes: torch.Tensor, states: int) -> Seen:
    """Features with one output for each element, and no symmetry."""
    count = states * (states + 1) // 2
    one = torch.ones(1, count, dtype=values.dtype)
    return Seen(values, slopes, one, 0 * one[..., None], torch.arange(count))


def coordinates(places: torch.Tensor, states: int) -> Seen:
    """Coordinates themselves, of samples of few dimensions."""
    slopes = torch.eye(places.shape[1], dtype=places.dtype).expand(len(places), -1, -1)
    return plain(places, slopes, states)


def inverse_distances(places: torch.Tensor, states: int) -> Seen:
    """Of any one molecule's ``(n, 3 atoms)``."""
    return plain(*inverses(places), states)


def inverses(places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Inverse distances in 1/A and their slopes in 1/A^2.

    Returns:
        ``(n, pairs)`` and ``(n, pairs, 3 atoms)``.
    """
    atoms = places.reshape(len(places), -1, 3)
    first, second = torch.triu_indices(atoms.shape[1], atoms.shape[1], 1)
    apart = atoms[:, first] - atoms[:, second]
    inverse = 1 / apart.norm(dim=2)
    slopes = torch.zeros(*inverse.shape, *atoms.shape[1:], dtype=places.dtype)
    pairs = torch.arange(len(first))
    slopes[:, pairs, first] = -apart * inverse[..., None] ** 3
    slopes[:, pairs, second] = apart * inverse[..., None] ** 3
    return inverse, slopes.flatten(2)


# ---- a double bond with two hydrogen atoms at each end

SWAPS = ((2, 3), (4, 5))
"""Atoms that may be exchanged, of the first end and of the second."""


def characters() -> dict[tuple[int, int], torch.Tensor]:
    """Combinations of the fifteen pairs of atoms, by their signs under both exchanges.

    Returns:
        ``(k, 15)`` rows for ``(+1, +1)``, ``(-1, +1)``, ``(+1, -1)`` and ``(-1, -1)``.
    """
    pairs = list(combinations(range(6), 2))
    found: dict[tuple[int, int], torch.Tensor] = {}
    for signs in product((1, -1), repeat=2):
        rows = torch.eye(len(pairs), dtype=torch.float64)
        for (one, other), sign in zip(SWAPS, signs, strict=True):
            turned = {one: other, other: one}
            moved = [sorted(turned.get(atom, atom) for atom in pair) for pair in pairs]
            rows = (rows + sign * rows[:, [pairs.index((a, b)) for a, b in moved]]) / 2
        kept: list[torch.Tensor] = []
        for row in rows:
            if row.any() and not any(torch.equal(row.abs(), other.abs()) for other in kept):
                kept.append(row)
        found[signs] = torch.stack(kept)
    return found


def _cross(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    return torch.linalg.cross(one, other)


def angular(place: torch.Tensor) -> torch.Tensor:
    """``(4,)`` of one place: how the ends stand to each other and to the bond.

    With ``n`` and ``m`` normal to the H-X-H planes of the two ends, and ``b`` along the bond:
    ``n . m`` (the cosine of the torsion), ``(n x m) . b`` (its sine), and ``n . b`` and ``m . b``
    (how far the ends are bent out of their planes). Their signs under the exchange of the first
    end's atoms, of the second's, and under reflection: ``(- - +)``, ``(- - -)``, ``(- + -)`` and
    ``(+ - -)``.
    """
    atoms = place.reshape(-1, 3)
    bond = atoms[1] - atoms[0]
    one = _cross(atoms[2] - atoms[0], atoms[3] - atoms[0])
    other = _cross(atoms[4] - atoms[1], atoms[5] - atoms[1])
    return torch.stack([one @ other, _cross(one, other) @ bond, one @ bond, other @ bond])


def double_bond(places: torch.Tensor, states: int) -> Seen:
    """Of ``(n, 18)``: H2C=NH2+ and its like; three diabatic states.

    The states are named after what is in the p orbitals across the H-X-H planes of both ends:
    the pair of electrons at the second end; one electron at each; and one at the first, from a
    sigma orbital in the plane of its hydrogen atoms. Their signs under both exchanges and under
    reflection are ``(+ + +)``, ``(- - +)`` and ``(+ + -)``, as of the p orbitals' product.
    """
    assert states == 3, "double_bond describes three states"
    inverse, slopes = inverses(places)
    parts = characters()
    mixed = torch.cat(list(parts.values()))
    bent = torch.func.vmap(angular)(places)
    tilted = torch.func.vmap(torch.func.jacrev(angular))(places)
    base = torch.cat([inverse @ mixed.T, bent, torch.ones_like(bent[:, :1])], 1)
    tilts = torch.cat([mixed @ slopes, tilted, torch.zeros_like(tilted[:, :1])], 1)
    count = len(mixed)
    cosine, sine, first, second, one = range(count, count + 5)
    even, odd_second, odd_first, odd = _split(parts)
    (a, *_), (b, *_) = odd_first, odd_second
    seen = [(k, one, one) for k in even]
    seen += [(*pair, one) for pair in combinations_with_replacement(odd_first, 2)]
    seen += [(*pair, one) for pair in combinations_with_replacement(odd_second, 2)]
    seen += [(k, k, one) for k in odd]
    seen += list(product(odd_first, odd_second, odd))
    seen += [(first, first, one), (second, second, one), (first, second, cosine)]
    carried = [(one, one, one)] * 3
    carried += [(cosine, one, one), (first, second, one)]
    carried += [(cosine, sine, one), (a, first, one), (b, second, one)]
    carried += [(sine, one, one), (b, first, one), (a, second, one)]
    elements = torch.tensor([0, 1, 2, 3, 3, 4, 4, 4, 5, 5, 5])
    return Seen(*_products(base, tilts, seen), *_products(base, tilts, carried), elements)


def _split(parts: Mapping[tuple[int, int], torch.Tensor]) -> list[list[int]]:
    """Places of each kind of combination in the row of all."""
    found, begin = [], 0
    for rows in parts.values():
        found.append(list(range(begin, begin + len(rows))))
        begin += len(rows)
    return found


def _products(
    base: torch.Tensor, slopes: torch.Tensor, factors: list[tuple[int, int, int]]
) -> tuple[torch.Tensor, torch.Tensor]:
    """``(n, f)`` products of three each of ``(n, b)``, and their slopes."""
    i, j, k = torch.tensor(factors).T
    x, y, z = base[:, i], base[:, j], base[:, k]
    tilted = (y * z)[..., None] * slopes[:, i]
    tilted = tilted + (x * z)[..., None] * slopes[:, j] + (x * y)[..., None] * slopes[:, k]
    return x * y * z, tilted


FEATURES: Mapping[str, Callable[[torch.Tensor, int], Seen]] = {
    "coordinates": coordinates,
    "inverse_distances": inverse_distances,
    "double_bond": double_bond,
}
