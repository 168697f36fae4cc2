"""Electrons of surface-hopping trajectories: amplitudes, hops, decoherence; all walkers at once.

Units: eV, Angstrom, fs, unified mass units. Couplings ``d_kj = <k | grad | j>`` are real and
antisymmetric; ``T_kj = d_kj . v`` is in 1/fs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Complexes = NDArray[np.complex128]
Integers = NDArray[np.int64]

HBAR = 0.6582119569
"""Reduced Planck constant in eV fs."""

ACCELERATION = 9.648533212e-3
"""One eV/A over one unified mass unit, in A/fs^2."""

HARTREE = 27.211386245988
"""In eV."""

_PHASE = 0.2  # radians that amplitudes may turn in a substep
_MOST_SUBSTEPS = 500


class Passed(NamedTuple):
    """What a step did to the electrons.

    Attributes:
        amplitudes: ``(w, s)`` at its end.
        chances: ``(w, s)`` of a hop to each state, by Tully's fewest switches.
    """

    amplitudes: Complexes
    chances: Floats


def propagate(
    amplitudes: Complexes,
    energies: tuple[Floats, Floats],
    rates: tuple[Floats, Floats],
    active: Integers,
    time_step: float,
) -> Passed:
    """Integrate the electronic Schroedinger equation over one step of the nuclei.

    ``i hbar dc_k/dt = E_k c_k - i hbar sum_j T_kj c_j`` (Tully, J. Chem. Phys. 93, 1061, 1990,
    eq. 8), with energies and ``T`` interpolated linearly and an exact exponential in each substep,
    so that the norm is kept. The chance of a hop from the active state ``a`` is the sum over
    substeps of ``max(0, 2 T_aj Re(c_a* c_j) dt / |c_a|^2)`` (his eq. 19).

    Args:
        amplitudes: ``(w, s)`` at the beginning.
        energies: ``(w, s)`` at the beginning and at the end, in eV.
        rates: ``(w, s, s)`` ``T`` at the beginning and at the end, in 1/fs.
        active: ``(w,)`` the states that the nuclei move on.
        time_step: In fs.
    """
    substeps = _substeps(energies, rates, time_step)
    short, rows = time_step / substeps, np.arange(len(active))
    chances = np.zeros(amplitudes.shape)
    for n in range(substeps):
        share = (n + 0.5) / substeps
        level = (1 - share) * energies[0] + share * energies[1]
        rate = (1 - share) * rates[0] + share * rates[1]
        turned = _turned(amplitudes, level, rate, short)
        middle = 0.5 * (amplitudes + turned)
        own = middle[rows, active]
        flow = 2 * rate[rows, active] * (own.conj()[:, None] * middle).real
        chances += np.maximum(flow * short / np.maximum(abs(own) ** 2, 1e-12)[:, None], 0.0)
        amplitudes = turned
    chances[rows, active] = 0.0
    return Passed(amplitudes, chances)


def _substeps(
    energies: tuple[Floats, Floats], rates: tuple[Floats, Floats], time_step: float
) -> int:
    spread = max(float(np.ptp(level, axis=1).max(initial=0.0)) for level in energies) / HBAR
    turning = max(float(abs(rate).max(initial=0.0)) for rate in rates)
    wanted = np.ceil(max(spread, turning) * time_step / _PHASE)
    return int(np.clip(np.nan_to_num(wanted, nan=1.0, posinf=1.0), 1, _MOST_SUBSTEPS))


def _turned(amplitudes: Complexes, level: Floats, rate: Floats, time: float) -> Complexes:
    """Amplitudes after ``exp(-i H t / hbar)`` with ``H = diag(E) - i hbar T``."""
    frequency = -1j * rate
    diagonal = np.arange(level.shape[1])
    frequency[:, diagonal, diagonal] += (level - level.mean(axis=1, keepdims=True)) / HBAR
    values, vectors = np.linalg.eigh(frequency)
    inner = np.einsum("wkj,wk->wj", vectors.conj(), amplitudes)
    turned: Complexes = np.einsum("wkj,wj->wk", vectors, np.exp(-1j * values * time) * inner)
    return turned


def targets(chances: Floats, active: Integers, drawn: Floats) -> Integers:
    """The states that walkers hop to, by one uniform number each; the active one where none."""
    reached = np.cumsum(chances, axis=1) > drawn[:, None]
    return np.where(reached.any(axis=1), reached.argmax(axis=1), active)


def decohere(
    amplitudes: Complexes, energies: Floats, active: Integers, kinetic: Floats, time_step: float
) -> Complexes:
    """Let the amplitudes of the other states decay, and keep the norm.

    The energy-based correction (Granucci and Persico, J. Chem. Phys. 126, 134114, 2007, eq. 17,
    with 0.1 hartree): ``tau_k = hbar / |E_k - E_a| (1 + 0.1 hartree / E_kin)``.

    Args:
        amplitudes: ``(w, s)``.
        energies: ``(w, s)`` in eV.
        active: ``(w,)``.
        kinetic: ``(w,)`` energies of the nuclei, in eV.
        time_step: In fs.
    """
    rows = np.arange(len(active))
    gap = abs(energies - energies[rows, active][:, None])
    slowing = 1 + 0.1 * HARTREE / np.maximum(kinetic, 1e-9)
    decayed = amplitudes * np.exp(-time_step * gap / (HBAR * slowing[:, None]))
    other = (abs(decayed) ** 2).sum(axis=1) - abs(decayed[rows, active]) ** 2
    own = decayed[rows, active]
    size = np.where(abs(own) > 0, abs(own), 1.0)
    phase = np.where(abs(own) > 0, own / size, 1.0)
    decayed[rows, active] = phase * np.sqrt(np.maximum(1 - other, 0.0))
    return decayed


class Jump(NamedTuple):
    """What a hop does to the velocities.

    Attributes:
        velocities: ``(w, n)`` after it.
        allowed: ``(w,)`` whether there was energy for it.
    """

    velocities: Floats
    allowed: NDArray[np.bool_]


def jump(
    velocities: Floats, direction: Floats, rise: Floats, masses: Floats, reverse: bool
) -> Jump:
    """Pay the energy of a hop from the velocity along the coupling.

    ``v + g d / m`` with the smaller root of ``A g^2 + B g + rise = 0``, ``A = sum d^2 / 2 m``,
    ``B = v . d`` (Hammes-Schiffer and Tully, J. Chem. Phys. 101, 4657, 1994). A hop without energy
    for it is refused; the velocity along ``d`` is then kept, or turned round.

    Args:
        velocities: ``(w, n)`` in A/fs.
        direction: ``(w, n)`` couplings; only their direction matters.
        rise: ``(w,)`` of potential energy, in eV.
        masses: ``(n,)`` in unified mass units.
        reverse: Whether a refused hop turns the velocity along ``d`` round.
    """
    length = np.linalg.norm(direction, axis=1, keepdims=True)
    along = direction / np.where(length > 0, length, 1.0)
    a = 0.5 * ACCELERATION * (along**2 / masses).sum(axis=1)
    b = (along * velocities).sum(axis=1)
    square = b**2 - 4 * a * rise
    allowed = (square >= 0) & (a > 0)
    root = np.sqrt(np.where(allowed, square, 0.0))
    gamma = np.where(b >= 0, root - b, -root - b)  # of the two roots the smaller change
    if reverse:
        gamma = np.where(allowed, gamma, -2 * b)
    gamma = np.where(allowed | reverse, gamma, 0.0) / np.where(a > 0, 2 * a, 1.0)
    return Jump(velocities + gamma[:, None] * along * ACCELERATION / masses, allowed)


def kinetic_energy(velocities: Floats, masses: Floats) -> Floats:
    """``(w,)`` in eV of ``(w, n)`` velocities."""
    energy: Floats = 0.5 * (masses * velocities**2).sum(axis=1) / ACCELERATION
    return energy
