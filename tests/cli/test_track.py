"""A run is sent to trackers from the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import call

from querist.campaign.campaign import Campaign


@pytest.mark.slow
def test_a_run_is_sent_to_tensorboard(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    run = tmp_path / "run"
    Campaign(
        generator={"use": "uniform", "options": {"low": [-1.0], "high": [1.0]}},
        model={"use": "random_features", "options": {"outputs": ["y"], "members": 2}},
        oracle=lambda sample: {"y": sample["x"] ** 2},
        output="y",
        initial=4,
        holdout=0.3,
        budget={"labels": 12},
        engine="inline",
    ).run(run, progress=False)
    board = tmp_path / "board"
    result = call("track", run, "--tensorboard", board)
    assert result.exit_code == 0, result.output
    assert int(result.output.split()[0]) > 3
    written = b"".join(path.read_bytes() for path in board.iterdir())
    assert b"learning/" in written
    assert b"config.json" in written
    again = call("track", run)
    assert (again.exit_code, "--tensorboard FOLDER or --mlflow" in again.output) == (2, True)
