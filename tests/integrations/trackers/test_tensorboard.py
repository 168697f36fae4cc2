"""Event files, read back as TensorBoard reads them."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from querist.integrations.trackers.points import Point


def test_scalars_are_written_by_labels(tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    from tensorboardX.proto.event_pb2 import Event

    from querist.integrations.trackers.tensorboard import TensorBoard

    (tmp_path / "config.json").write_text('{"a": 1}')
    board = TensorBoard(tmp_path / "board")
    board.about({"run.engine": "inline"})
    board.points([Point("learning/y.mae", 1 / n, 10 * n, 1000.0 + n) for n in (2, 4)])
    board.file(tmp_path / "config.json")
    board.close("finished")
    found = []
    for path in (tmp_path / "board").iterdir():
        data = path.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            found.append(Event.FromString(data[12 : 12 + length]))
            data = data[16 + length :]
    scalars = [
        (value.tag, round(value.simple_value, 6), event.step, event.wall_time)
        for event in found
        for value in event.summary.value
        if value.HasField("simple_value")
    ]
    assert scalars == [("learning/y.mae", 0.5, 20, 1002.0), ("learning/y.mae", 0.25, 40, 1004.0)]
    tags = {value.tag for event in found for value in event.summary.value}
    assert {"run/text_summary", "config.json/text_summary", "status/text_summary"} <= tags
