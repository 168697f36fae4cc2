"""Tully's three models of two states in one dimension, and their exact quantum answer.

J. C. Tully, J. Chem. Phys. 93, 1061 (1990), eqs. 21, 23, 24. Here in eV, Angstrom, fs and unified
mass units; the constants are the paper's, in atomic units.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BOHR = 0.529177210903
"""In Angstrom."""
HARTREE = 27.211386245988
"""In eV."""
ATOMIC_TIME = 0.024188843265857
"""In fs."""
MASS = 2000.0 * 5.4857990907e-4
"""Of the particle: 2,000 electron masses, in unified mass units."""

SIDE = 10.0
"""Where the particle comes from and leaves the scene, in Bohr; see :data:`SCENES`."""


def single_crossing(x: Floats) -> tuple[Floats, Floats, Floats]:
    """Model 1, a simple avoided crossing: V11, V22, V12 in Hartree at x in Bohr."""
    v11 = np.sign(x) * 0.01 * (1 - np.exp(-1.6 * abs(x)))
    return v11, -v11, 0.005 * np.exp(-1.0 * x**2)


def double_crossing(x: Floats) -> tuple[Floats, Floats, Floats]:
    """Model 2, a dual avoided crossing, with Stueckelberg oscillations."""
    return np.zeros_like(x), -0.1 * np.exp(-0.28 * x**2) + 0.05, 0.015 * np.exp(-0.06 * x**2)


def extended_coupling(x: Floats) -> tuple[Floats, Floats, Floats]:
    """Model 3, an extended coupling with reflection."""
    flat = np.full_like(x, 6e-4)
    low, high = 0.1 * np.exp(0.9 * np.minimum(x, 0)), 0.1 * (2 - np.exp(-0.9 * np.maximum(x, 0)))
    return flat, -flat, np.where(x < 0, low, high)


MODELS = {"single": single_crossing, "double": double_crossing, "extended": extended_coupling}


class Adiabatic(NamedTuple):
    """``(n, 2)`` energies in eV, ``(n, 2, 1)`` gradients and ``(n, 1, 1)`` coupling in eV/A."""

    energies: Floats
    gradients: Floats
    couplings: Floats


def adiabatic(model: str, x: Floats) -> Adiabatic:
    """What an electronic-structure program would say: no diabatic states, only these.

    Args:
        model: One of :data:`MODELS`.
        x: ``(n,)`` places in Angstrom.
    """
    step = 1e-5
    at = x / BOHR
    v11, v22, v12 = MODELS[model](at)
    slopes = [
        (after - before) / (2 * step)
        for after, before in zip(MODELS[model](at + step), MODELS[model](at - step), strict=True)
    ]
    mean, half, other = (v11 + v22) / 2, (v11 - v22) / 2, v12
    dmean, dhalf, dother = (slopes[0] + slopes[1]) / 2, (slopes[0] - slopes[1]) / 2, slopes[2]
    gap = np.hypot(half, other)
    dgap = (half * dhalf + other * dother) / gap
    coupling = (half * dother - other * dhalf) / gap
    energies = np.stack([mean - gap, mean + gap], axis=1) * HARTREE
    gradients = np.stack([dmean - dgap, dmean + dgap], axis=1)[:, :, None] * HARTREE / BOHR
    return Adiabatic(energies, gradients, coupling[:, None, None] * HARTREE / BOHR)


class Exits(NamedTuple):
    """Shares of the four ways out: through or back, on the lower or the upper surface."""

    through_lower: float
    through_upper: float
    back_lower: float
    back_upper: float


def exact(model: str, momentum: float) -> Exits:
    """The exact answer by the split operator (Feit, Fleck and Steiger 1982) on a grid.

    A Gaussian packet of width ``20 / k`` (Tully's) starts on the lower surface.

    Args:
        model: One of :data:`MODELS`.
        momentum: ``hbar k`` in atomic units.
    """
    # What went through must not come round the periodic grid; model 3 accelerates it most.
    points, half_width = 4096, 120.0 if model == "extended" else 60.0
    mass = 2000.0
    x = np.linspace(-half_width, half_width, points, endpoint=False)
    k = 2 * np.pi * np.fft.fftfreq(points, x[1] - x[0])
    width = 20.0 / momentum
    start = -max(SIDE, 3.0 * width + 4.0)
    v11, v22, v12 = MODELS[model](x)
    mean, half = (v11 + v22) / 2, (v11 - v22) / 2
    gap = np.hypot(half, v12)
    angle = 0.5 * np.arctan2(v12, half)
    # Columns: lower and upper adiabatic state in the diabatic basis.
    lower = np.stack([-np.sin(angle), np.cos(angle)])
    upper = np.stack([np.cos(angle), np.sin(angle)])
    packet = np.exp(-(((x - start) / width) ** 2) + 1j * momentum * x)
    psi = lower * packet / np.sqrt((abs(packet) ** 2).sum())
    time = (2.0 * abs(start) + 10.0) * mass / momentum
    steps = int(np.ceil(time / 2.0))
    short = time / steps
    drift = np.exp(-0.5j * short * k**2 / (2 * mass))
    phase = np.exp(-1j * short * mean)
    same, turn = np.cos(gap * short), -1j * np.sin(gap * short) / gap
    for _ in range(steps):
        psi = np.fft.ifft(drift * np.fft.fft(psi))
        psi = phase * np.stack(
            [
                (same + turn * half) * psi[0] + turn * v12 * psi[1],
                turn * v12 * psi[0] + (same - turn * half) * psi[1],
            ]
        )
        psi = np.fft.ifft(drift * np.fft.fft(psi))
    shares = [abs((state * psi).sum(axis=0)) ** 2 for state in (lower, upper)]
    right = x > 0
    return Exits(
        float(shares[0][right].sum()),
        float(shares[1][right].sum()),
        float(shares[0][~right].sum()),
        float(shares[1][~right].sum()),
    )
