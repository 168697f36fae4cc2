"""Making an engine by name."""

from __future__ import annotations

import subprocess
import sys

import pytest

from querist.core.errors import ConfigError
from querist.engines import create, names
from querist.engines.durations import Constant
from querist.engines.inline import Inline
from querist.engines.simulated import Kind, Simulated


def test_engines_are_made_by_name() -> None:
    assert names() == ["inline", "mpi", "processes", "simulated"]
    engine = create("inline", start_at=9.0)
    assert isinstance(engine, Inline)
    assert engine.now() >= 9.0
    engine.close()
    assert isinstance(create("simulated", kinds={"*": Kind(Constant(1.0))}), Simulated)


def test_the_nearest_name_is_offered() -> None:
    with pytest.raises(ConfigError, match="did you mean 'processes'"):
        create("proceses")
    with pytest.raises(ConfigError, match="there are"):
        create("xyz")
    with pytest.raises(ConfigError, match="did you mean 'cancel_grace'"):
        create("processes", cancel_grce=1.0)


def test_the_room_itself_is_light() -> None:
    code = (
        "import sys, querist.engines; print(sorted(m for m in sys.modules if m.split('.')[0] in "
        "('cloudpickle', 'psutil', 'scipy', 'torch', 'multiprocessing') or "
        "m.startswith('querist.engines.')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
