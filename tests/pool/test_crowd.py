"""Several processes work on one pool, and some are killed: what was acknowledged holds."""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from querist.pool.database import FILE
from querist.pool.pool import Pool

# Says what it is about to do ("-") and what is done ("+"): an act, an item, a label.
PROGRAM = """
import random, sys
from querist.pool.pool import Pool

folder, me, seed = sys.argv[1], sys.argv[2], int(sys.argv[3])
draw, mine = random.Random(seed), []
pool = Pool.open(folder)

def say(*lines):
    print(*lines, sep="\\n", flush=True)

for turn in range(60):
    if draw.random() < 0.2:
        pool.close()
        pool = Pool.open(folder)
    act = draw.choice(["add", "label", "label", "forget"])
    if act == "add" or not mine:
        ids = [f"{me}-{seed}-{turn}-{n}" for n in range(draw.randint(1, 20))]
        pool.add_items({"id": id, "text": f"this is the text of {id}"} for id in ids)
        mine += ids
        say(*(f"+ add {id} x" for id in ids))
    elif act == "label":
        said = {id: draw.choice("ab") for id in draw.sample(mine, min(4, len(mine)))}
        say(*(f"- label {id} {label}" for id, label in said.items()))
        pool.label(said, by=me)
        say(*(f"+ label {id} {label}" for id, label in said.items()))
    else:
        id = mine.pop(draw.randrange(len(mine)))
        say(f"- forget {id} x")
        pool.forget(id)
        say(f"+ forget {id} x")
"""


@pytest.mark.kill
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_what_was_acknowledged_holds(tmp_path: Path, seed: int) -> None:
    folder, draw = tmp_path / "pool", random.Random(seed)
    Pool.create(folder, {"transform": {"modality": "text"}}).close()
    said: list[str] = []
    for life in range(2):
        command = [sys.executable, "-c", PROGRAM, str(folder)]
        crowd = [
            subprocess.Popen(
                [*command, who, str(10 * seed + life)], stdout=subprocess.PIPE, text=True
            )
            for who in ("ada", "bob", "eve")
        ]
        for process in crowd[: draw.randint(1, 2)]:
            time.sleep(draw.uniform(0.5, 1.5))
            process.kill()
        for process in crowd:
            said += process.communicate(timeout=120)[0].splitlines()
        assert crowd[-1].returncode == 0

    acts = [line.split() for line in said if line.count(" ") == 3]
    added = {id for mark, act, id, _ in acts if (mark, act) == ("+", "add")}
    begun = {id for _, act, id, _ in acts if act == "forget"}
    gone = {id for mark, act, id, _ in acts if (mark, act) == ("+", "forget")}
    labels: dict[str, list[tuple[str, str]]] = {}
    for mark, act, id, label in acts:
        if act == "label":
            labels.setdefault(id, []).append((mark, label))

    connection = sqlite3.connect(folder / FILE)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    with Pool.open(folder) as pool:
        present = {item.id: item.label for item in pool.items(limit=100_000)}
    assert len(added) > 30
    assert added - begun <= set(present)
    assert not gone & set(present)
    for id, told in labels.items():
        # One that was begun when its process was killed may hold, and need not.
        mark, label = told[-1]
        before = next((one for kind, one in reversed(told[:-1]) if kind == "+"), None)
        allowed = {label} if mark == "+" else {label, before}
        assert id in begun or present[id] in allowed
