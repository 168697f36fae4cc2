from __future__ import annotations

import json
import os
import threading

import numpy as np
import pytest

from querist.store.errors import NotStorable, TooLarge
from querist.store.inbox import Inbox


def test_messages_are_read_in_order_until_removed(tmp_path) -> None:
    inbox = Inbox(tmp_path / "inbox")
    assert inbox.pending() == []
    ids = [inbox.post("label", {"n": n}, {"x": np.arange(n)}) for n in range(20)]
    assert sorted(ids) == ids
    messages = inbox.pending()
    assert [message.id for message in messages] == ids
    assert [(message.kind, message.data["n"]) for message in messages] == [
        ("label", n) for n in range(20)
    ]
    assert messages[7].arrays["x"].tolist() == list(range(7))
    assert [message.id for message in inbox.pending(limit=3)] == ids[:3]
    for message in messages[:19]:
        inbox.remove(message)
    inbox.remove(messages[0].id)
    assert [message.id for message in inbox.pending()] == ids[19:]


def test_threads_may_post_at_once(tmp_path) -> None:
    inbox = Inbox(tmp_path, sync=False)
    threads = [
        threading.Thread(target=lambda t=t: [inbox.post("a", {"t": t, "n": n}) for n in range(25)])
        for t in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    messages = inbox.pending()
    assert len({message.id for message in messages}) == 100
    for t in range(4):
        assert [m.data["n"] for m in messages if m.data["t"] == t] == list(range(25))


def hostile_link(path) -> None:
    (path.parent.parent / "secret").write_text("s")
    path.symlink_to("../secret")


NAME = "0" * 20 + "-" + "0" * 32 + ".message"
HOSTILE = {
    "garbage": lambda path: path.write_bytes(b"\0" * 500),
    "empty": lambda path: path.touch(),
    "pickle": lambda path: path.write_bytes(b"\x80\x04cos\nsystem\n(S'true'\ntR."),
    "large": lambda path: path.write_bytes(bytes(2**20 + 1)),
    "link": hostile_link,
    "pipe": lambda path: os.mkfifo(path),
    "folder": lambda path: path.mkdir(),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_content_is_moved_away_and_blocks_nothing(tmp_path, kind: str) -> None:
    inbox = Inbox(tmp_path / "inbox", limit=2**20)
    good = inbox.post("a", {})
    HOSTILE[kind](tmp_path / "inbox" / NAME)
    assert [message.id for message in inbox.pending()] == [good]
    reasons = list(inbox.rejected.glob("*.reason.json"))
    assert len(reasons) == 1
    said = json.loads(reasons[0].read_text())
    assert said["name"] == NAME
    assert said["reason"]
    assert not os.path.lexists(tmp_path / "inbox" / NAME)
    assert [message.id for message in inbox.pending()] == [good]
    assert len(list(inbox.rejected.iterdir())) == 2


@pytest.mark.parametrize("name", ["README", "x.message", "-rf", "a" * 250])
def test_files_with_other_names_are_moved_away(tmp_path, name: str) -> None:
    inbox = Inbox(tmp_path)
    (tmp_path / name).write_text("hello")
    assert inbox.pending() == []
    assert not (tmp_path / name).exists()
    assert len(list(inbox.rejected.glob("*.reason.json"))) == 1


def test_unfinished_messages_are_left_alone(tmp_path) -> None:
    (tmp_path / f".{NAME}.12.tmp").write_bytes(b"QPAR")
    assert Inbox(tmp_path).pending() == []
    assert len(os.listdir(tmp_path)) == 1


def test_what_cannot_be_posted_leaves_no_file(tmp_path) -> None:
    inbox = Inbox(tmp_path, limit=1000)
    with pytest.raises(TooLarge, match="limit of 1000"):
        inbox.post("a", {}, {"x": np.zeros(1000)})
    with pytest.raises(NotStorable):
        inbox.post("a", {"x": object()})
    assert os.listdir(tmp_path) == []


def test_only_messages_can_be_removed(tmp_path) -> None:
    (tmp_path / "keep.message").touch()
    Inbox(tmp_path / "inbox").remove("../keep")
    assert (tmp_path / "keep.message").exists()
