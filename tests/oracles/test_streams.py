"""Lines that a simulation appends while it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from querist.oracles.streams import Stream


class Sent(list[dict[str, Any]]):
    def __call__(self, data) -> None:
        self.append(dict(data))


def test_new_objects_are_sent_in_order_and_once(tmp_path: Path) -> None:
    path, sent = tmp_path / "progress", Sent()
    stream = Stream(path, sent, {"sample": "s"})
    stream.look()
    assert sent == []
    path.write_text('{"step": 1}\nnot json\n[2]\n{"step": 2}\n{"half":')
    stream.look(last=True)
    stream.look(last=True)
    assert sent == [{"lines": [{"step": 1}, {"step": 2}], "sample": "s"}]
    with path.open("a") as file:
        file.write(" 3}\n")
    stream.look()  # it is not time
    assert len(sent) == 1
    stream.look(last=True)
    assert sent[1]["lines"] == [{"half": 3}]


def test_what_an_earlier_try_said_is_passed_over_and_a_new_file_is_read(tmp_path: Path) -> None:
    path, sent = tmp_path / "progress", Sent()
    path.write_text('{"step": 1}\n')
    stream = Stream(path, sent, {})
    stream.look(last=True)
    assert sent == []
    with path.open("a") as file:
        file.write('{"a": 2}\n')
    stream.look(last=True)
    assert sent == [{"lines": [{"a": 2}]}]
    path.write_text('{"b": 1}\n')
    stream.look(last=True)
    assert sent[1] == {"lines": [{"b": 1}]}


def test_a_line_without_end_does_not_hold_up_the_rest(tmp_path: Path) -> None:
    path, sent = tmp_path / "progress", Sent()
    stream = Stream(path, sent, {})
    path.write_text("x" * (3 << 20) + '\n{"step": 1}\n')
    for _ in range(5):
        stream.look(last=True)
    assert sent == [{"lines": [{"step": 1}]}]
