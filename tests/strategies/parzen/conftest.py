"""Small clusters of classes in a plane."""

from __future__ import annotations

import numpy as np
import pytest


def points_of(classes: int):
    """100 points to choose from, 20 that have a label, and their classes."""
    rng = np.random.default_rng(4)
    centres = rng.uniform(-10, 10, size=(12, 2))
    which = rng.integers(12, size=120)
    points, labels = centres[which] + rng.normal(size=(120, 2)), which % classes
    return points[20:], points[:20], labels[:20]


@pytest.fixture
def plane():
    """Of three classes."""
    return points_of(3)


@pytest.fixture
def two_classes():
    """Of two."""
    return points_of(2)
