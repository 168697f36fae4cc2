"""What the campaign needs of its own: candidates, and the oracle that docks one of them."""

from __future__ import annotations

import numpy as np
from docking import dock, ligand_pdbqt
from molecules import fingerprints, library
from numpy.typing import NDArray
from receptors import host_named

from querist.core.batch import Batch
from querist.generators.candidates import Candidates
from querist.oracles.function import FunctionOracle


def molecules() -> Batch:
    """All molecules: their fingerprints and their place in the library."""
    bits = fingerprints(library())
    return Batch.stack(fingerprint=bits, index=np.arange(len(bits)))


def candidates(seed: int | None = None) -> Candidates:
    """The library, again and again: the model learns in between."""
    return Candidates(molecules(), chunk=len(library()), cyclic=True, seed=seed)


def docking(host: str = "beta", exhaustiveness: int = 1) -> FunctionOracle:
    """The oracle: ``affinity``, minus Vina's energy (kcal/mol), and the seconds of a docking."""

    def docked(index: NDArray[np.int64]) -> dict[str, float]:
        found = dock(ligand_pdbqt(library()[int(index)]), host_named(host), exhaustiveness)
        return {"affinity": -found.energy, "processor_seconds": found.seconds}

    names = ("affinity", "processor_seconds")
    return FunctionOracle(docked, level=f"vina {exhaustiveness}", outputs=names)
