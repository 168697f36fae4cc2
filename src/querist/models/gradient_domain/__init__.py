"""Gradient-domain kernel force fields for one molecule, and committees of them.

Energies are in eV, positions in Angstrom, forces in eV/Angstrom. Fit with ``fit_committee``,
predict with ``Predictor``; forces are exactly minus the gradient of the energy. The method is
sGDML (Chmiela et al., Sci. Adv. 2017, 3, e1603015; Nat. Commun. 2018, 9, 3887).
"""

from __future__ import annotations

from .committee import (
    CommitteeSettings,
    FittedCommittee,
    choose_length,
    fit_committee,
    fit_member,
    member_rows,
)
from .model import GradientDomain
from .predictor import (
    CommitteePrediction,
    Predictor,
    UnrepresentableError,
    check_molecule,
    force_disagreement,
)
from .solve import FitInterruptedError, IllConditionedError
from .state import Member, Species, member_indices, merge_states
from .symmetry import (
    bonded,
    check_group,
    close_group,
    detect_group,
    geometry_group,
    graph_group,
    identity_group,
)
from .training import FitSettings, TrainingSet

__all__ = [
    "CommitteePrediction",
    "CommitteeSettings",
    "FitInterruptedError",
    "FitSettings",
    "FittedCommittee",
    "GradientDomain",
    "IllConditionedError",
    "Member",
    "Predictor",
    "Species",
    "TrainingSet",
    "UnrepresentableError",
    "bonded",
    "check_group",
    "check_molecule",
    "choose_length",
    "close_group",
    "detect_group",
    "fit_committee",
    "fit_member",
    "force_disagreement",
    "geometry_group",
    "graph_group",
    "identity_group",
    "member_indices",
    "member_rows",
    "merge_states",
]
