"""The numbers that describe atoms, and how they change when atoms move.

Gradients are by the vectors of the directed pairs; :func:`to_atoms` and :func:`to_virials` carry
them to forces and stresses. Lengths are in Angstrom.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .basis import Basis
from .pairs import IntArray, Pairs, Structures

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Surroundings:
    """All atoms of a batch, described.

    Attributes:
        basis: By which functions.
        structures: Of which atoms.
        kinds: Index of each atom's element in the basis (N,).
        near: Pairs within the cutoff of the moments ``Q``.
        slot: Place of each of them among those of its first atom (Q,); at most ``width``.
        units: Their directions (N, width, 3), padded with 0.
        lengths: Their distances (N, width), padded with the cutoff.
        radial: Radial functions of the moments (N, width, C), 0 where padded.
        slopes: Their derivatives, likewise.
        angular: Products of the directions (N, width, M).
        moments: ``A`` (N, C, M).
        doubles: Products of two moments (N, doubles).
        pair_slopes: Derivatives of the pair functions at all distances (K, P).
        features: Everything (N, F).
    """

    basis: Basis
    structures: Structures
    kinds: IntArray
    near: Pairs
    slot: IntArray
    units: FloatArray
    lengths: FloatArray
    radial: FloatArray
    slopes: FloatArray
    angular: FloatArray
    moments: FloatArray
    doubles: FloatArray
    pair_slopes: FloatArray
    features: FloatArray

    @classmethod
    def of(cls, basis: Basis, structures: Structures) -> Surroundings:
        """Describe all atoms; their elements are those of the basis."""
        kinds = np.searchsorted(np.array(basis.elements), structures.numbers)
        near = structures.pairs.within(basis.near)
        slot, width = near.padded()
        shape = (near.atoms, width)
        units, lengths = np.zeros((*shape, 3)), np.full(shape, basis.near)
        units[near.centre, slot] = near.vector / near.distance[:, None]
        lengths[near.centre, slot] = near.distance
        values, slopes = basis.radial(lengths)
        radial, slopes = np.moveaxis(values, 0, -1), np.moveaxis(slopes, 0, -1)
        if len(basis.elements) > 1:
            other = np.zeros((*shape, len(basis.elements), 1))
            other[near.centre, slot, kinds[near.neighbour]] = 1.0
            radial = (other * radial[..., None, :]).reshape(*shape, -1)
            slopes = (other * slopes[..., None, :]).reshape(*shape, -1)
        angular = _angular(units, basis.table.powers)
        moments = np.swapaxes(radial, 1, 2) @ angular
        doubles = _doubles(basis, moments)
        table = basis.table
        triples = moments[:, table.one, 0] * doubles[:, table.two]
        values, pair_slopes = basis.pair_radial(structures.pairs.distance)
        pairs = _pair_sums(basis, structures.pairs, kinds, values)
        features = np.concatenate([pairs, doubles, triples, np.ones((near.atoms, 1))], axis=1)
        return cls(
            basis, structures, kinds, near, slot, units, lengths, radial, slopes, angular,
            moments, doubles, pair_slopes, features,
        )  # fmt: skip

    def by_sample(self) -> FloatArray:
        """Sums of the features over the atoms of each sample, by the atom's element (S, weights).

        A sample's energy is the product of this with the weights of a potential.
        """
        basis, count = self.basis, len(self.structures)
        sample = np.repeat(np.arange(count), np.diff(self.structures.offsets))
        sums = np.zeros((count, len(basis.elements), basis.features))
        if len(basis.elements) == 1 and (np.diff(self.structures.offsets) > 0).all():
            if count:
                sums[:, 0] = np.add.reduceat(self.features, self.structures.offsets[:-1])
        else:
            np.add.at(sums, (sample, self.kinds), self.features)
        return sums.reshape(count, basis.weights)

    def gradient(self, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Derivative of the energy of a potential by the vectors of pairs.

        Args:
            weights: Of the potential (weights,), in eV.

        Returns:
            By those of all pairs (P, 3), of pair functions, and by those of ``near`` (Q, 3), of
            everything else; in eV/Angstrom.
        """
        basis, table = self.basis, self.basis.table
        each = weights.reshape(len(basis.elements), basis.features)[self.kinds]
        pair, rest = np.split(each, [basis.pairs * len(basis.elements)], axis=1)
        double, triple = rest[:, : table.doubles].copy(), rest[:, table.doubles : -1]
        by_moment = np.zeros_like(self.moments)
        if len(table.one):
            by_one = triple * self.doubles[:, table.two]
            by_two = triple * self.moments[:, table.one, 0]
            _add_columns(by_moment[:, :, 0], table.one, by_one)
            _add_columns(double, table.two, by_two)
        _from_doubles(basis, self.moments, double, by_moment)
        return self._pair_gradient(pair), self._near_gradient(by_moment)

    def _pair_gradient(self, weights: FloatArray) -> FloatArray:
        pairs, basis = self.structures.pairs, self.basis
        by_kind = weights.reshape(len(weights), len(basis.elements), basis.pairs)
        if len(basis.elements) == 1:  # all atoms have the same weights
            slope = by_kind[0, 0] @ self.pair_slopes if len(by_kind) else np.zeros(0)
        else:
            chosen = by_kind[pairs.centre, self.kinds[pairs.neighbour]]
            slope = np.einsum("pk,kp->p", chosen, self.pair_slopes)
        return np.asarray((slope / pairs.distance)[:, None] * pairs.vector)

    def _near_gradient(self, by_moment: FloatArray) -> FloatArray:
        by_radial = self.angular @ np.swapaxes(by_moment, 1, 2)
        by_angular = self.radial @ by_moment
        along = np.einsum("nwc,nwc->nw", by_radial, self.slopes)
        count = by_angular.shape[-1]
        lowered = by_angular.reshape(-1, count) @ self.basis.table.lowering.reshape(count, -1)
        flat = self.angular.reshape(-1, count)
        turn = np.einsum("qkm,qm->qk", lowered.reshape(len(flat), 3, count), flat)
        turn = turn.reshape(self.units.shape)
        radial_part = np.einsum("nwk,nwk->nw", turn, self.units)
        across = (turn - radial_part[..., None] * self.units) / self.lengths[..., None]
        total = across + along[..., None] * self.units
        return np.asarray(total[self.near.centre, self.slot])


def _add_columns(into: FloatArray, columns: IntArray, values: FloatArray) -> None:
    """``into[:, columns[t]] += values[:, t]``, columns repeated."""
    spread = np.zeros((len(columns), into.shape[1]))
    spread[np.arange(len(columns)), columns] = 1.0
    into += values @ spread


def _angular(units: FloatArray, powers: IntArray) -> FloatArray:
    """``u_x^a u_y^b u_z^c`` of directions (..., 3), for powers (M, 3): (..., M)."""
    flat = units.reshape(-1, 3).T
    raised = [np.ones_like(flat)]
    for _ in range(int(powers.max())):
        raised.append(raised[-1] * flat)
    found = np.empty((len(powers), flat.shape[1]))
    for m, (a, b, c) in enumerate(powers.tolist()):
        np.multiply(raised[a][0], raised[b][1], out=found[m])
        found[m] *= raised[c][2]
    return np.ascontiguousarray(found.T).reshape(*units.shape[:-1], len(powers))


def angular_slopes(basis: Basis, angular: FloatArray) -> FloatArray:
    """Derivatives of products of a direction's components (Q, M) by the direction (Q, 3, M)."""
    return np.asarray(np.einsum("mkl,ql->qkm", basis.table.lowering, angular, optimize=True))


def _doubles(basis: Basis, moments: FloatArray) -> FloatArray:
    table = basis.table
    found = []
    for level in table.levels:
        part = moments[:, :, level]
        product = (part * table.weight[level]) @ np.swapaxes(part, 1, 2)
        found.append(product[:, table.first, table.second])
    return np.concatenate(found, axis=1)


def _from_doubles(
    basis: Basis, moments: FloatArray, by_double: FloatArray, by_moment: FloatArray
) -> None:
    """Add the derivative by the moments (N, C, M) that follows from that by products of two."""
    table = basis.table
    for number, level in enumerate(table.levels):
        part = by_double[:, number * len(table.first) : (number + 1) * len(table.first)]
        square = np.zeros((len(part), moments.shape[1], moments.shape[1]))
        square[:, table.first, table.second] = part
        square += np.swapaxes(square, 1, 2)  # a product of a moment with itself counts twice
        by_moment[:, :, level] += (square @ moments[:, :, level]) * table.weight[level]


def _pair_sums(basis: Basis, pairs: Pairs, kinds: IntArray, values: FloatArray) -> FloatArray:
    count = len(basis.elements)
    where = pairs.centre * count + kinds[pairs.neighbour]
    sums = [np.bincount(where, value, minlength=pairs.atoms * count) for value in values]
    found = np.asarray(np.stack(sums, axis=1), np.float64)
    return found.reshape(pairs.atoms, count * basis.pairs)


def to_atoms(pairs: Pairs, gradient: FloatArray) -> FloatArray:
    """Carry a derivative by pairs' vectors (P, 3) to the atoms (N, 3)."""
    found = np.empty((pairs.atoms, 3))
    for axis, column in enumerate(gradient.T):
        found[:, axis] = np.bincount(pairs.neighbour, column, minlength=pairs.atoms)
        found[:, axis] -= np.bincount(pairs.centre, column, minlength=pairs.atoms)
    return found


def to_virials(pairs: Pairs, gradient: FloatArray, offsets: IntArray) -> FloatArray:
    """Carry it to the strain of each sample: ``sum gradient (x) vector``, symmetric (S, 3, 3)."""
    sample = np.searchsorted(offsets, pairs.centre, side="right") - 1
    count = len(offsets) - 1
    found = np.empty((count, 3, 3))
    for a in range(3):
        for b in range(3):
            product = gradient[:, a] * pairs.vector[:, b]
            found[:, a, b] = np.bincount(sample, product, minlength=count)
    return 0.5 * (found + np.swapaxes(found, 1, 2))
