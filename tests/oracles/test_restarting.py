"""Commands that take long: partial results, their own checkpoints, outputs that stay."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np
import pytest

from querist.core.answers import Failure, Label
from querist.core.batch import Batch
from querist.core.errors import ConfigError
from querist.oracles.command import CommandOracle
from querist.testing.contexts import LoneContext

X = Batch.stack(x=np.array([2.0]))
# Counts to six; the first time it dies at three. It says where it began.
COUNTS = """
import json, os, sys
begin = int(open(sys.argv[1]).read()) if sys.argv[1] else 0
assert os.environ["QUERIST_CHECKPOINT"] == sys.argv[1]
for step in range(begin + 1, 7):
    print(json.dumps({"step": step}), file=open("progress.jsonl", "a"))
    open("state.chk", "w").write(str(step))
    if step == 3 and begin == 0:
        os.kill(os.getpid(), 9)
json.dump({"y": step, "begin": begin}, open("output.json", "w"))
"""


def counting(**more) -> CommandOracle:
    command = [sys.executable, "-c", COUNTS, "$checkpoint"]
    return CommandOracle(command, checkpoint="*.chk", stream="progress.jsonl", **more)


@pytest.mark.parametrize("keep", ["failed", "none"])
def test_a_killed_command_goes_on_from_its_own_checkpoint(context: LoneContext, keep: str) -> None:
    oracle = counting(keep=keep)
    (died,) = oracle.answer(X, context)
    assert isinstance(died, Failure)
    assert died.transient
    (label,) = counting(keep=keep).answer(X, context)  # another worker's, after a resume
    assert isinstance(label, Label), label
    assert (int(label.outputs["y"]), int(label.outputs["begin"])) == (6, 3)
    steps = [line["step"] for sent in context.sent for line in sent["lines"]]
    assert steps == [1, 2, 3, 4, 5, 6]
    assert {sent["sample"] for sent in context.sent} == {X.ids[0]}
    assert list((context.worker.scratch / "commands").iterdir()) == []


def test_another_question_and_another_command_begin_anew(context: LoneContext) -> None:
    counting().answer(X, context)
    (other,) = counting().answer(Batch.stack(x=np.array([3.0])), context)
    assert isinstance(other, Failure)  # it began at zero, and died at three
    changed = CommandOracle(
        [sys.executable, "-c", COUNTS + "\n", "$checkpoint"], checkpoint="*.chk"
    )
    (again,) = changed.answer(X, context)
    assert isinstance(again, Failure)
    (otherwise,) = counting(environment={"METHOD": "other"}).answer(X, context)
    assert isinstance(otherwise, Failure)


def test_an_answer_of_an_earlier_try_is_not_taken_for_a_new_one(context: LoneContext) -> None:
    script = """
import os
if not os.path.exists("tried"):
    open("tried", "w"), open("output.json", "w").write('{"y": 1}')
    raise SystemExit("no")
"""
    oracle = CommandOracle([sys.executable, "-c", script], checkpoint="*.chk")
    first, second = (oracle.answer(X, context)[0] for _ in range(2))
    assert isinstance(first, Failure)
    assert isinstance(second, Failure)
    assert "left no file 'output.json'" in second.message


WRITES = """
import json
open("wave.bin", "wb").write(b"0" * 1000)
open("scratch.tmp", "w").write("junk")
json.dump({"y": 1.0}, open("output.json", "w"))
"""


def test_large_outputs_stay_where_they_are(context: LoneContext, tmp_path: Path) -> None:
    context.worker = replace(context.worker, run=tmp_path / "run")
    for outputs in (None, {"y": ()}):
        oracle = CommandOracle(
            [sys.executable, "-c", WRITES], keep_files={"wave": "*.bin"}, outputs=outputs
        )
        (label,) = oracle.answer(X, context)
        assert isinstance(label, Label), label
        uri = str(label.outputs["wave"])
        path = Path(url2pathname(urlsplit(uri).path))
        assert path.parent.parent == tmp_path / "run" / "commands"
        assert path.read_bytes() == b"0" * 1000
        assert sorted(p.name for p in path.parent.iterdir()) == ["files.json", "wave.bin"]


def test_a_large_output_that_is_missing_fails_the_question(context: LoneContext) -> None:
    oracle = CommandOracle([sys.executable, "-c", WRITES], keep_files={"wave": "*.h5"})
    (outcome,) = oracle.answer(X, context)
    assert isinstance(outcome, Failure)
    assert "'wave' should be one file that matches '*.h5', but 0 do" in outcome.message


def test_patterns_stay_in_the_folder() -> None:
    for more in (
        {"stream": "../x"},
        {"checkpoint": "/tmp/*"},
        {"keep_files": {"a": "../*"}},
    ):
        with pytest.raises(ConfigError, match="inside the task's folder"):
            CommandOracle(["true"], **more)
