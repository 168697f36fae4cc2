"""Built-in features."""

from __future__ import annotations

from querist.models.features.inference import Features
from querist.models.inference_settings import FeaturesSettings


def load(settings: FeaturesSettings, _device: str, _threads: int) -> Features:
    """Features of items; a device and threads are of no use to them."""
    return Features(settings.modality)
