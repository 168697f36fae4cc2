"""The oracle of the molecule: three singlets of CH2NH2+ by state-averaged CASSCF, through PySCF.

SA3-CASSCF(4,3)/6-31G: three states with weight 1/3, four electrons in the sigma orbital that light
can empty, pi and pi*. It takes all three. With pi and pi* alone, and two states, optimised orbitals
end at a sigma-pi* state for half of the molecules that light finds and at a pi-pi* state for the
others, 1 to 2 eV apart, so that there is no surface to learn.

Analytic gradients after Staalring, Bernhardsson and Lindh (Mol. Phys. 99, 103, 2001), interstate
coupling vectors after Lengsfield, Saxe and Yarkony (J. Chem. Phys. 81, 4549, 1984), with
electron-translation factors (Fatehi, Alguire, Shao and Subotnik, J. Chem. Phys. 135, 234105, 2011),
so that they neither translate nor turn the molecule.

Units: Angstrom, eV, eV/A, unified mass units.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import OracleRejected, require
from querist.oracles.pyscf import keep_no_checkpoint

Floats = NDArray[np.float64]

BOHR = 0.529177210903
"""In Angstrom."""
HARTREE = 27.211386245988
"""In eV."""

NUMBERS = np.array([6, 7, 1, 1, 1, 1])
"""C, N, two hydrogen atoms on C, two on N."""
MASSES = np.array([12.0, 14.0030740, 1.00782503, 1.00782503, 1.00782503, 1.00782503])
"""Of the most abundant isotopes, in unified mass units."""
BASIS = "6-31g"
STATES = 3
PAIRS = ((0, 1), (0, 2), (1, 2))
"""Of states, of whose couplings there is one each."""
ACTIVE = (3, 4)
"""Orbitals and electrons of the active space."""


def electronic(positions: Floats) -> dict[str, Floats]:
    """Energies, gradients and couplings of ``(6, 3)`` positions in Angstrom; 3 s of one core.

    Returns:
        ``energies`` (3,) in eV; ``gradients`` (3, 6, 3) and ``couplings`` (3, 6, 3), the
        interstate vectors ``<k| grad H |j>`` of :data:`PAIRS` with arbitrary signs, in eV/A.

    Raises:
        OracleRejected: If the orbitals do not converge.
    """
    with _one_thread(), _kept_integrals():
        solved = solution(np.asarray(positions, np.float64))
        gradients = [_slope(solved, state) for state in range(STATES)]
        solver = solved.nac_method()
        couplings = [solver.kernel(state=pair, use_etfs=True, mult_ediff=True) for pair in PAIRS]
    return {
        "energies": np.asarray(solved.e_states) * HARTREE,
        "gradients": np.asarray(gradients),
        "couplings": np.asarray(couplings) * HARTREE / BOHR,
    }


def lowest(positions: Floats) -> tuple[float, Floats]:
    """Energy in eV and ``(6, 3)`` gradient in eV/A of the ground state alone."""
    with _one_thread(), _kept_integrals():
        solved = solution(np.asarray(positions, np.float64))
        return float(solved.e_states[0]) * HARTREE, _slope(solved, 0)


def _slope(solved: Any, state: int) -> Floats:
    """``(6, 3)`` gradient of a state, in eV/A."""
    made = solved.nuc_grad_method().kernel(state=state)
    return np.asarray(made, np.float64) * HARTREE / BOHR


def solution(positions: Floats) -> Any:
    """The converged state average, begun with the canonical orbitals of this very place.

    So the answer is a function of the place alone, not of the way to it.
    """
    scf = require("pyscf.scf", "chem", "the oracle of CH2NH2+")
    mcscf = require("pyscf.mcscf", "chem", "the oracle of CH2NH2+")
    fci = require("pyscf.fci", "chem", "the oracle of CH2NH2+")
    field = scf.RHF(_molecule(positions))
    keep_no_checkpoint(field)
    field.kernel()
    solver = mcscf.CASSCF(field, *ACTIVE)
    # Its vectors are symmetric in both spins: of four electrons in three orbitals, singlets alone.
    solver.fcisolver = fci.direct_spin0.FCI(solver.mol)
    solver = solver.state_average_([1 / STATES] * STATES)
    solver.conv_tol, solver.max_cycle_macro, solver.chkfile = 1e-9, 80, None
    solver.kernel()
    if not solver.converged:
        raise OracleRejected("the orbitals of the state average did not converge in 80 cycles.")
    return solver


def _molecule(positions: Floats) -> Any:
    gto = require("pyscf.gto", "chem", "the oracle of CH2NH2+")
    atoms = [(int(z), tuple(place)) for z, place in zip(NUMBERS, positions, strict=True)]
    made = gto.M(atom=atoms, unit=BOHR, basis=BASIS, charge=1, verbose=0)
    # Gradients and couplings want the same derivative integrals some hundred times.
    made.intor = cache_of(made.intor)
    return made


def cache_of(integrals: Callable[..., Floats]) -> Callable[..., Floats]:
    """A molecule's function of integrals that remembers the derivatives of repulsion."""
    known: dict[str, Floats] = {}

    def ask(name: str, *given: Any, **more: Any) -> Floats:
        if not name.startswith("int2e_ip1"):
            return integrals(name, *given, **more)
        key = repr((name, given, sorted(more.items())))
        if key not in known:
            known[key] = integrals(name, *given, **more)
        return known[key].copy()

    return ask


def slopes_of_repulsion(molecule: Any, densities: Any) -> tuple[Floats, Floats]:
    """``J = -(d i j| k l) D_lk`` and ``K = -(d i j| k l) D_jk`` of one density or of several.

    PySCF's own does not keep the integrals; a molecule as small as this one has room for them.
    """
    derivatives = molecule.intor("int2e_ip1")
    size = derivatives.shape[1]
    stack = np.reshape(densities, (-1, size, size))
    flat = derivatives.reshape(3 * size * size, size * size)
    coulomb = (flat @ stack.transpose(0, 2, 1).reshape(len(stack), -1).T).T
    beside = derivatives.transpose(0, 1, 4, 2, 3).reshape(3 * size * size, size * size)
    exchange = (beside @ stack.reshape(len(stack), -1).T).T
    shape = (*np.shape(densities)[:-2], 3, size, size)
    return -coulomb.reshape(shape), -exchange.reshape(shape)


def _one_thread() -> Any:
    return require("pyscf.lib", "chem", "the oracle of CH2NH2+").with_omp_threads(1)


def _kept_integrals() -> Any:
    """While it lasts, all solvers of gradients use :func:`slopes_of_repulsion`."""

    def repulsion(solver: Any, molecule: Any = None, densities: Any = None, *_: Any) -> Any:
        return slopes_of_repulsion(molecule or solver.mol, densities)

    lib = require("pyscf.lib", "chem", "the oracle of CH2NH2+")
    solvers = require("pyscf.grad.rhf", "chem", "the oracle of CH2NH2+")
    return lib.temporary_env(solvers.GradientsBase, get_jk=repulsion)
