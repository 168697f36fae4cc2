"""Puts a campaign's model inside the calibrator."""

from __future__ import annotations

from typing import Any

from querist.core.tasks import Factory
from querist.models.calibration import Calibrated


def calibrated(model: Factory, output: str, **options: Any) -> Calibrated:
    """The calibrator around the model that a factory makes."""
    return Calibrated(model.create(), outputs=[output], **options)
