"""The library: head, linker and tail put together in every way, and what a model sees of it.

A kinase inhibitor of the kind that 1IEP holds has a *head* that lies at the hinge of the two lobes,
a *linker* with a donor or an acceptor of hydrogen bonds, and a *tail* in the pocket behind. Ten
heads, five linkers and ten tails are taken from imatinib, ponatinib, dasatinib and common building
blocks; 10 x 5 x 10 = 500 molecules of 170 to 390 g/mol. They are smaller than drugs, so that a
docking takes half a second. Guests of cyclodextrins have such ends as well (adamantyl,
tert-butylphenyl, naphthyl).
"""

from __future__ import annotations

import itertools
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from querist.core.errors import require

HEADS = {
    "pyridinyl": "[*:1]c1cccnc1",
    "thiazolyl": "[*:1]c1nccs1",
    "pyridinylpyrimidinyl": "[*:1]c1nccc(-c2cccnc2)n1",  # imatinib
    "quinolinyl": "[*:1]c1ccc2ncccc2c1",
    "quinazolinyl": "[*:1]c1ncnc2ccccc12",
    "indazolyl": "[*:1]c1ccc2[nH]ncc2c1",
    "azaindolyl": "[*:1]c1c[nH]c2ncccc12",
    "benzimidazolyl": "[*:1]c1nc2ccccc2[nH]1",
    "imidazopyridazinyl": "[*:1]c1cnc2cccnn12",  # ponatinib
    "isoquinolinyl": "[*:1]c1cncc2ccccc12",
}
LINKERS = {
    "amide": "[*:1]NC(=O)[*:2]",
    "amine": "[*:1]N[*:2]",
    "urea": "[*:1]NC(=O)N[*:2]",
    "ethyne": "[*:1]C#C[*:2]",  # ponatinib
    "reversed": "[*:1]C(=O)N[*:2]",
}
TAILS = {
    "phenyl": "[*:2]c1ccccc1",
    "tolyl": "[*:2]c1ccc(C)cc1",
    "trifluoromethylphenyl": "[*:2]c1cccc(C(F)(F)F)c1",  # nilotinib, ponatinib
    "methoxyphenyl": "[*:2]c1ccc(OC)cc1",
    "butylphenyl": "[*:2]c1ccc(C(C)(C)C)cc1",
    "morpholinylphenyl": "[*:2]c1ccc(N2CCOCC2)cc1",
    "chloromethylphenyl": "[*:2]c1c(C)cccc1Cl",  # dasatinib
    "cyclohexyl": "[*:2]C1CCCCC1",
    "naphthyl": "[*:2]c1cccc2ccccc12",
    "adamantyl": "[*:2]C12CC3CC(CC(C3)C1)C2",
}
IMATINIB = "Cc1ccc(NC(=O)c2ccc(CN3CCN(C)CC3)cc2)cc1Nc1nccc(-c2cccnc2)n1"
BITS, RADIUS = 1024, 2


def rdkit(module: str) -> Any:
    """A module of RDKit, or the sentence that says how to install it."""
    return require(f"rdkit.{module}", "docking", "examples/drug_candidates")


@cache
def library() -> tuple[str, ...]:
    """The canonical SMILES of all molecules, heads slowest and tails fastest (500)."""
    return tuple(
        joined(*parts)
        for parts in itertools.product(HEADS.values(), LINKERS.values(), TAILS.values())
    )


def joined(*parts: str) -> str:
    """One molecule of parts that carry the same numbers where they are to be joined."""
    chem = rdkit("Chem")
    molecule = chem.molzip(chem.MolFromSmiles(".".join(parts)))
    chem.SanitizeMol(molecule)
    return str(chem.MolToSmiles(molecule))


def parts_of(index: int) -> tuple[str, str, str]:
    """The names of head, linker and tail of the molecule at ``index``."""
    head, rest = divmod(index, len(LINKERS) * len(TAILS))
    linker, tail = divmod(rest, len(TAILS))
    return list(HEADS)[head], list(LINKERS)[linker], list(TAILS)[tail]


def fingerprints(smiles: tuple[str, ...] | list[str]) -> NDArray[np.float64]:
    """Morgan fingerprints: surroundings of radius 2 that there are, as bits (n, 1024)."""
    chem, make = rdkit("Chem"), rdkit("Chem.rdFingerprintGenerator")
    generator = make.GetMorganGenerator(radius=RADIUS, fpSize=BITS)
    found = [generator.GetFingerprintAsNumPy(chem.MolFromSmiles(one)) for one in smiles]
    return np.array(found, np.float64)
