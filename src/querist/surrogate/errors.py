"""What a call of a surrogate may raise."""

from __future__ import annotations

from querist.core.errors import QueristError


class SimulationFailed(QueristError):
    """The simulation was asked, and failed; the sentence says why."""


class Refused(QueristError):
    """The simulation was not asked, because it is expected to fail for this input."""


class NoAnswer(QueristError):
    """There is no simulation to ask, and the gate does not trust the model for this input."""


class Late(QueristError):
    """Nothing was known within the deadline; what was asked of the simulation goes on."""


class DriftWarning(UserWarning):
    """Audits speak against the gate: the simulation, or what is asked of it, has changed."""
