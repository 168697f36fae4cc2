"""What `campaign.yaml` needs of its own: where the walkers begin.

Positions are in Angstrom, temperatures in Kelvin.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from molecule import MINIMUM, MIRROR_MINIMUM, NUMBERS, PERMUTATIONS, TRANSITION_STATE

from querist.core.batch import Batch
from querist.generators.langevin import LangevinWalkers
from querist.models.gradient_domain.model import GradientDomain

TEMPERATURES = (300.0, 500.0, 700.0, 1000.0)
"""Of the walkers, in Kelvin."""


def starts() -> Batch:
    """The two mirror minima and the transition state between them: positions (3, 9, 3)."""
    geometries = np.stack([MINIMUM, TRANSITION_STATE, MIRROR_MINIMUM])
    return Batch.stack(numbers=np.tile(NUMBERS, (len(geometries), 1)), positions=geometries)


def walkers(count: int = 12, **options: Any) -> LangevinWalkers:
    """Langevin walkers at ``TEMPERATURES``; with 12, every start is taken at every temperature.

    Args:
        count: How many walkers.
        options: Of :class:`~querist.generators.langevin.LangevinWalkers`: ``time_step`` in fs,
            ``friction`` in 1/fs, ``on_ask`` ...
    """
    return LangevinWalkers(starts(), count, **{"temperature": TEMPERATURES, **options})


def force_field(members: int = 4, **options: Any) -> GradientDomain:
    """The committee, which knows that the two ends of the molecule are alike."""
    return GradientDomain(members, permutations=PERMUTATIONS.tolist(), **options)
