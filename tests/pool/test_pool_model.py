"""A pool against a plain dictionary, in any order of adding, growing, changing, labelling."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from querist.pool.pool import Pool

MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # many small pools: no disk
NAMES = st.sampled_from("abcdef")
TEXTS = st.sampled_from(["one", "two", "three", "four"])
ANNOTATORS = st.sampled_from(["ada", "bob"])
LABELS = st.sampled_from(["cat", "dog", []])


class PoolMachine(RuleBasedStateMachine):
    """Inline items have an id and a text, files a name and a content."""

    @initialize()
    def create(self) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY))
        self.files = self.folder / "files"
        self.files.mkdir()
        self.moves = 0
        self.pool = Pool.create(self.folder / "pool")
        self.texts: dict[str, str] = {}
        self.on_disk: dict[str, str] = {}
        self.listed: dict[str, str] = {}
        self.said: dict[str, dict[str, Any]] = {}
        self.stale: set[str] = set()
        self.gone: set[str] = set()
        self.ids: dict[str, str] = {}

    def teardown(self) -> None:
        if hasattr(self, "pool"):
            self.pool.close()
            shutil.rmtree(self.folder)

    @rule(name=NAMES, text=TEXTS)
    def add_text(self, name: str, text: str) -> None:
        added = self.pool.add_items([{"id": name, "text": text}])
        if name in self.gone:
            assert added.forgotten == 1
            return
        before = self.texts.get(name)
        if before is None:
            assert added.new + added.duplicates == 1
            assert (added.duplicates == 1) == (text in self.texts.values())
        else:
            assert (added.changed, added.unchanged) == (int(before != text), int(before == text))
            if before != text and self.label_of(name) is not None:
                self.stale.add(name)
        self.texts[name] = text

    @rule(name=NAMES, text=TEXTS)
    def write_file(self, name: str, text: str) -> None:
        (self.files / name).write_text(text)
        self.on_disk[name] = text

    @precondition(lambda self: self.on_disk)
    @rule()
    def add_folder(self) -> None:
        added = self.pool.add(self.files)
        live = {name for name in self.on_disk if f"file {name}" not in self.gone}
        assert added.new == len(live - set(self.listed))
        assert added.forgotten == len(self.on_disk) - len(live)
        assert added.broken == []
        self.listed = {name: self.on_disk[name] for name in live}
        for item in self.pool.items():
            if item.uri:
                self.ids.setdefault(f"file {item.uri.rpartition('/')[2]}", item.id)

    @precondition(lambda self: self.listed and all(n in self.on_disk for n in self.listed))
    @rule()
    def move_folder(self) -> None:
        self.add_folder()  # files that change while they move are others
        self.moves += 1
        moved = self.folder / str(self.moves) / "files"
        moved.parent.mkdir()
        self.files.rename(moved)
        self.files = moved
        self.add_folder()

    def known(self) -> list[str]:
        return [*self.texts, *(f"file {name}" for name in self.listed)]

    def id_of(self, name: str) -> str:
        return self.ids.get(name, name)

    @precondition(lambda self: self.known())
    @rule(data=st.data(), label=LABELS, by=ANNOTATORS)
    def label(self, data: st.DataObject, label: Any, by: str) -> None:
        name = data.draw(st.sampled_from(self.known()))
        said = self.said.setdefault(name, {})
        repeated = said.get(by) == label and by in said
        assert self.pool.label({self.id_of(name): label}, by=by) == int(not repeated)
        if not repeated:
            said.pop(by, None)
            said[by] = label
            self.stale.discard(name)

    @precondition(lambda self: self.known())
    @rule(data=st.data(), by=ANNOTATORS)
    def withdraw(self, data: st.DataObject, by: str) -> None:
        name = data.draw(st.sampled_from(self.known()))
        had = self.said.get(name, {}).pop(by, None) is not None
        assert self.pool.unlabel([self.id_of(name)], by=by) == int(had)
        if had:
            self.stale.discard(name)

    @precondition(lambda self: self.known())
    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self.known()))
        assert self.pool.forget(self.id_of(name)).left == []
        self.gone.add(name)
        self.texts.pop(name, None)
        self.listed.pop(name.removeprefix("file ") if name.startswith("file ") else "", None)
        self.said.pop(name, None)
        self.stale.discard(name)

    @rule()
    def reopen(self) -> None:
        self.pool.close()
        self.pool = Pool.open(self.folder / "pool")

    def label_of(self, name: str) -> Any:
        said = self.said.get(name, {})
        return list(said.values())[-1] if said else None

    @invariant()
    def agrees(self) -> None:
        if not hasattr(self, "pool"):
            return
        items = {item.id: item for item in self.pool.items()}
        assert items.keys() == {self.id_of(name) for name in self.known()}
        for name in self.known():
            item = items[self.id_of(name)]
            assert item.label == self.label_of(name)
            if name in self.texts:
                assert (item.inline, item.stale) == (self.texts[name], name in self.stale)
                state = self.state_of(name, item.row, items)
                assert item.state == state
            else:
                assert item.uri == (self.files / name.removeprefix("file ")).as_uri()
        assert sum(self.pool.counts().values()) == len(self.pool) == len(items)
        rows = [int(row) for page in self.pool.rows(page=2) for row in page]
        assert rows == sorted(item.row for item in items.values())

    def state_of(self, name: str, row: int, items: dict[str, Any]) -> str:
        label = self.label_of(name)
        if label is not None:
            return "empty" if label == [] else "labelled"
        first = min(items[n].row for n, text in self.texts.items() if text == self.texts[name])
        return "unlabelled" if row == first else "duplicate"


TestPool = PoolMachine.TestCase
TestPool.settings = settings(
    settings.default, max_examples=settings.default.max_examples // 2, stateful_step_count=25
)
