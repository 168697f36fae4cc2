"""The surrogate's model: a committee of networks of the published shape, for the whole profile.

Five inputs, layers of 512 and 256, the bins of the profile and the three numbers read off it.
Kadupitiya, Sun, Fox & Jadhao, J. Comput. Sci. 42, 101107 (2020).
"""

from __future__ import annotations

from querist.models.torch_ensemble import TorchEnsemble

INPUTS = ("length", "cation", "anion", "concentration", "diameter")
OUTPUTS = ("contact", "peak", "midplane", "profile")
HIDDEN = (512, 256)


def network(members: int = 4, epochs: int = 200) -> TorchEnsemble:
    """A committee; its spread is the uncertainty that the gate goes by."""
    schedule = {
        "epochs": epochs,
        "patience": 60,
        "batch_size": 32,
        "learning_rate": 1e-3,
        "weight_decay": 1e-3,
    }
    return TorchEnsemble(
        None, INPUTS, OUTPUTS, members, options={"hidden": HIDDEN}, schedule=schedule
    )
