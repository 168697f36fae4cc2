"""Hosts by name: cyclodextrins, the kinase, and its mutants."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from hosts import UNITS, Host, guest_host
from kinase import from_folder
from mutants import MUTANTS, mutated

from querist.core.errors import QueristError

FOLDER = "DRUG_CANDIDATES_RECEPTOR"
"""The variable of the environment that names the folder with the kinase."""


@cache
def host_named(name: str) -> Host:
    """A host: "alpha", "beta", "gamma", "1iep", or a mutant such as "1iep-T315I".

    Raises:
        QueristError: If there is none of this name, or the kinase's folder is not named.
    """
    if name in UNITS:
        return guest_host(name)
    kind, _, mutant = name.partition("-")
    if kind != "1iep" or (mutant and mutant not in MUTANTS):
        kinase = ["1iep", *(f"1iep-{one}" for one in MUTANTS)]
        raise QueristError(f"Wanted a host of {[*UNITS, *kinase]}, but got {name!r}.")
    if FOLDER not in os.environ:
        raise QueristError(
            f"The kinase is wanted, but {FOLDER} is not set. Set it to a folder with the receptor "
            "(README.md tells how to fetch it), or dock into a cyclodextrin."
        )
    return mutated(from_folder(Path(os.environ[FOLDER])).host, mutant or "wild type")
