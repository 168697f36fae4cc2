"""A server of Label Studio that is none, and a pool."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from querist.integrations.label_studio.api import LabelStudio
from querist.pool.pool import Pool

sys.path.insert(0, str(Path(__file__).parent))
from fake_studio import LEGACY, Studio, serving


@pytest.fixture
def served():
    with serving() as found:
        yield found


@pytest.fixture
def held(served) -> Studio:
    return served[1]


@pytest.fixture
def studio(served):
    with LabelStudio(served[0], LEGACY) as made:
        yield made


@pytest.fixture
def pool(tmp_path: Path):
    settings = {"name": "pets", "classes": ("cat", "dog"), "transform": {"modality": "text"}}
    with Pool.create(tmp_path / "pets", settings) as made:
        made.add_items([{"id": f"t{n}", "text": f"pet {n}"} for n in range(6)])
        yield made
