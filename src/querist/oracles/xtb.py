"""GFN2-xTB through tblite, ready to use: fast, quantum-mechanical, good for trying things out."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import Any

from querist.core.errors import require
from querist.core.roles import Validator
from querist.oracles.calculator import CalculatorOracle


def tblite(method: str = "GFN2-xTB", **options: Any) -> Any:
    """A silent tblite calculator on one thread (unless OMP_NUM_THREADS says otherwise).

    With its ``reset()`` before each sample, calculations start from the same guess. Starting from
    the wavefunction of the sample before is 10 % faster, but then forces depend on the order of
    questions, by 1 meV/A.

    Args:
        method: "GFN2-xTB" or "GFN1-xTB".
        options: Further options of ``tblite.ase.TBLite``: ``accuracy``, ``max_iterations`` ...

    Raises:
        MissingExtra: If tblite or ASE is not installed.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when the library is loaded
    module = require("tblite.ase", "xtb", "GFN2-xTB")
    return module.TBLite(method=method, **{"verbosity": 0, "cache_api": False, **options})


def xtb(
    method: str = "GFN2-xTB", validator: Validator | str | None = None, **options: Any
) -> CalculatorOracle:
    """An oracle for energies (eV) and forces (eV/A) from GFN2-xTB.

    C. Bannwarth, S. Ehlert and S. Grimme, J. Chem. Theory Comput. 15, 1652 (2019). A calculation
    whose self-consistent field does not converge raises in tblite and becomes a failure.

    Args:
        method: "GFN2-xTB" or "GFN1-xTB"; also the level of theory.
        validator: Returns the sentence that refuses an answer, or None.
        options: Further options of ``tblite.ase.TBLite``.

    Raises:
        MissingExtra: If tblite is not installed.
    """
    if find_spec("tblite") is None:  # its library is loaded where it is used
        require("tblite", "xtb", "GFN2-xTB")
    return CalculatorOracle(
        tblite, {"method": method, **options}, level=method, validator=validator, reset=True
    )
