"""The oracle of the molecule: two singlets of CH2NH2+ by state-averaged CASSCF, through PySCF.

SA2-CASSCF(2,2)/6-31G: both states with weight 1/2, the two electrons of the C=N bond in its pi and
pi* orbitals. Analytic gradients after Staalring, Bernhardsson and Lindh (Mol. Phys. 99, 103, 2001),
interstate coupling vectors after Lengsfield, Saxe and Yarkony (J. Chem. Phys. 81, 4549, 1984), with
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


def electronic(positions: Floats) -> dict[str, Floats]:
    """Energies, gradients and coupling of ``(6, 3)`` positions in Angstrom; 4 s of one core.

    Returns:
        ``energies`` (2,) in eV; ``gradients`` (2, 6, 3) and ``couplings`` (1, 6, 3), the
        interstate vector ``<0| grad H |1>`` with an arbitrary sign, in eV/A.

    Raises:
        OracleRejected: If the orbitals do not converge.
    """
    lib = require("pyscf.lib", "chem", "the oracle of CH2NH2+")
    with lib.with_omp_threads(1):
        solved = solution(np.asarray(positions, np.float64))
        solved._scf.nuc_grad_method = _short_cut(solved._scf.nuc_grad_method)
        solved.nuc_grad_method = _short_cut(solved.nuc_grad_method)
        solver = solved.nuc_grad_method()
        gradients = [solver.kernel(state=state) for state in range(2)]
        coupling = _short_cut(solved.nac_method)().kernel(
            state=(0, 1), use_etfs=True, mult_ediff=True
        )
    factor = HARTREE / BOHR
    return {
        "energies": np.asarray(solved.e_states) * HARTREE,
        "gradients": np.asarray(gradients) * factor,
        "couplings": np.asarray(coupling)[None] * factor,
    }


def solution(positions: Floats) -> Any:
    """The converged state average, begun with the canonical orbitals of this very place.

    So the answer is a function of the place alone, not of the way to it.
    """
    scf = require("pyscf.scf", "chem", "the oracle of CH2NH2+")
    mcscf = require("pyscf.mcscf", "chem", "the oracle of CH2NH2+")
    field = scf.RHF(_molecule(positions))
    field.chkfile = None
    field.kernel()
    solver = mcscf.CASSCF(field, 2, 2)
    solver.fix_spin_(ss=0)
    solver = solver.state_average_([0.5, 0.5])
    solver.conv_tol, solver.max_cycle_macro, solver.chkfile = 1e-9, 80, None
    solver.kernel()
    if not solver.converged:
        raise OracleRejected("the orbitals of the state average did not converge in 80 cycles.")
    return solver


def _molecule(positions: Floats) -> Any:
    gto = require("pyscf.gto", "chem", "the oracle of CH2NH2+")
    atoms = [(int(z), tuple(place)) for z, place in zip(NUMBERS, positions, strict=True)]
    made = gto.M(atom=atoms, unit=BOHR, basis=BASIS, charge=1, verbose=0)
    # Two gradients and a coupling want the same derivative integrals some fifty times.
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


def _short_cut(made: Callable[[], Any]) -> Callable[[], Any]:
    """Solvers of gradients that use :func:`slopes_of_repulsion`."""

    def make() -> Any:
        solver = made()
        solver.get_jk = lambda molecule=None, densities=None, *_, **__: slopes_of_repulsion(
            molecule or solver.mol, densities
        )
        return solver

    return make
