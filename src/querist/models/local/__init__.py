"""Potentials of atoms' surroundings, for any number of atoms, with and without periodic cells.

Energies are in eV, positions in Angstrom, forces in eV/Angstrom, stresses in eV/Angstrom^3 with
ASE's sign (positive when stretched).
"""

from __future__ import annotations

from .basis import Basis
from .design import Noise
from .model import LocalPotential

__all__ = ["Basis", "LocalPotential", "Noise"]
