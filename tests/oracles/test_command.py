"""Files in, a process, files out; what is kept; names and values of strangers."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from querist.core.answers import Failure, Label, Reason
from querist.core.atoms import atoms_sample
from querist.core.batch import Batch, Sample
from querist.core.errors import ConfigError, RoleFailed
from querist.oracles import inputs
from querist.oracles.command import CommandOracle
from querist.testing.contexts import LoneContext

X = Batch.stack(x=np.array([1.5, -2.0]))
OUT = """
import json, os, sys
import numpy as np
def out(**values):
    json.dump(values, open("output.json", "w"))
"""
ECHO = """import sys; open("output.json", "w").write('{"y": ' + sys.argv[1] + '}')"""


def python(script: str, *arguments: str, **more) -> CommandOracle:
    return CommandOracle([sys.executable, "-c", script, *arguments], **more)


def folders(context: LoneContext) -> list[str]:
    home = context.worker.scratch / "commands"
    return sorted(path.name for path in home.iterdir()) if home.exists() else []


def test_values_reach_the_command_in_full_precision(context) -> None:
    batch = Batch.stack(x=np.array([0.1 + 0.2]))
    (label,) = python(ECHO, "$x").answer(batch, context)
    assert isinstance(label, Label)
    assert label.outputs["y"] == 0.1 + 0.2


def test_a_template_file_is_filled(context, tmp_path: Path) -> None:
    (tmp_path / "in.tpl").write_text("$$x is $x for ${id}\n", encoding="utf-8")
    script = (
        """import json; json.dump({"y": open("sub/in.txt").read()}, open("output.json", "w"))"""
    )
    oracle = python(script, template_files={"sub/in.txt": str(tmp_path / "in.tpl")})
    label = oracle.answer(X, context)[0]
    assert isinstance(label, Label)
    assert str(label.outputs["y"]) == f"$x is 1.5 for {X.sample(0).id}\n"


def test_a_missing_template_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no template file .*nothing\.tpl"):
        CommandOracle(["true"], template_files={"a": str(tmp_path / "nothing.tpl")})


def test_an_unknown_name_in_a_template_is_a_failure_for_good(context) -> None:
    outcome = CommandOracle(["true", "$y"]).answer(X, context)[0]
    assert isinstance(outcome, Failure)
    assert "names $y, but there is only ['folder', 'id', 'threads', 'uri', 'x']" in outcome.message
    assert not outcome.transient


@pytest.mark.parametrize("name", ["", "/etc/x", "../x", "a/../../x", "a\0b", "."])
def test_file_names_stay_in_the_folder(name: str) -> None:
    with pytest.raises(ConfigError, match="inside the task's folder"):
        CommandOracle(["true"], templates={name: ""})
    with pytest.raises(ConfigError, match="inside the task's folder"):
        CommandOracle(["true"], files={name: "json"})


@pytest.mark.parametrize("name", ["ein Gabe–ß 入力.txt", "-rf", "$HOME", "a'b\"c;d", "new\nline"])
def test_file_names_may_be_anything_else(context, name: str) -> None:
    script = OUT + "out(y=float(open(sys.argv[1]).read()))"
    command = [sys.executable, "-c", script, name.replace("$", "$$")]
    label = CommandOracle(command, templates={name: "$x"}).answer(X, context)[0]
    assert isinstance(label, Label), label
    assert label.outputs["y"] == 1.5


HOSTILE = ["a b", "$(touch pwned)", "`touch pwned`", "'; touch pwned #", "入力", "-n", "$x ${y} $$"]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("shell", [False, True])
def test_values_are_never_interpreted(context, value: str, shell: bool) -> None:
    script = OUT.replace('"', "'") + "out(y=sys.argv[1], pwned=os.path.exists('pwned'))"
    argv = [sys.executable, "-c", script, "$text"]
    command = f'{argv[0]} -c "{script}" $text' if shell else argv
    oracle = CommandOracle(command, shell=shell)
    (label,) = oracle.answer(Batch.of([{"text": np.array(value)}]), context)
    assert isinstance(label, Label), label
    assert str(label.outputs["y"]) == value
    assert not label.outputs["pwned"]


def test_an_id_of_a_stranger_is_no_path(context) -> None:
    evil = [
        Sample({"x": np.array(1.0)}, id=name) for name in ("../../evil", "..", "a" * 300, "ß/ß")
    ]
    oracle = python(ECHO, "$x", keep="all")
    assert all(isinstance(o, Label) for o in oracle.answer(Batch.from_samples(evil), context))
    assert len(folders(context)) == 4
    assert {path.name for path in context.worker.scratch.iterdir()} == {"commands"}


@given(st.text(min_size=1, max_size=30))
def test_text_survives_a_template_with_or_without_a_shell(text: str) -> None:
    import shlex

    values = inputs.variables(Sample.of({"t": np.array("x")}), t=text)
    values["t"] = text
    assert inputs.fill("<$t>", values) == f"<{text}>"
    if "\0" not in text:
        assert shlex.split(inputs.fill("$t", values, quoted=True)) == [text]


@pytest.mark.parametrize(
    ("keep", "left"), [("all", 2), ("failed", 1), ("none", 0)], ids=["all", "failed", "none"]
)
def test_the_folders_that_stay(context, keep: str, left: int) -> None:
    oracle = python(ECHO, "$x", keep=keep, validator=lambda s, o: "too low" if o["y"] < 0 else None)
    good, bad = oracle.answer(X, context)
    assert isinstance(good, Label)
    assert isinstance(bad, Failure)
    assert len(folders(context)) == left
    assert ("folder was kept" in bad.traceback) is (keep != "none")


def test_folders_stay_in_the_run(context, tmp_path: Path) -> None:
    context.worker = replace(context.worker, run=tmp_path / "run")
    oracle = python(ECHO, "$x", keep="all", files={"in.json": "json"})
    oracle.answer(X, context)
    oracle.answer(X, context)
    kept = sorted(path.name for path in (tmp_path / "run" / "commands").iterdir())
    assert kept == sorted(f"{key}{end}" for key in X.ids for end in ("", "-1"))
    assert folders(context) == []
    held = json.loads((tmp_path / "run" / "commands" / X.ids[0] / "in.json").read_text())
    assert held["fields"] == {"x": 1.5}


def test_folders_stay_where_asked(context, tmp_path: Path) -> None:
    python(ECHO, "$x", keep="all", folder=str(tmp_path / "kept")).answer(X, context)
    assert len(list((tmp_path / "kept").iterdir())) == 2


def test_a_failed_command_keeps_its_last_words(context) -> None:
    script = "import sys; print('step 1'); sys.exit('no convergence')"
    outcome = python(script).answer(X, context)[0]
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.EXIT_CODE
    assert "exit status 1" in outcome.message
    assert "no convergence" in outcome.message
    assert "end of stdout.txt ---\nstep 1" in outcome.traceback
    assert "end of stderr.txt ---\nno convergence" in outcome.traceback


def test_a_missing_program_is_a_failure(context) -> None:
    outcome = CommandOracle(["no-such-program"]).answer(X, context)[0]
    assert isinstance(outcome, Failure)
    assert "'no-such-program' could not be started" in outcome.message
    assert not outcome.transient


def test_a_missing_result_is_named(context) -> None:
    outcome = python("print('hello')").answer(X, context)[0]
    assert isinstance(outcome, Failure)
    assert "left no file 'output.json'" in outcome.message
    assert "hello" in outcome.traceback


def test_limits_become_reasons(context) -> None:
    hoard = "import time; held = b'x' * 200_000_000; time.sleep(600)"
    (late, _) = python("import time; time.sleep(600)", timeout=0.3).answer(X, context)
    (large, _) = python(hoard, memory_mb=100).answer(X, context)
    assert isinstance(late, Failure)
    assert isinstance(large, Failure)
    assert (late.reason, large.reason) == (Reason.TIMEOUT, Reason.MEMORY)


def test_a_cancellation_ends_the_command(context) -> None:
    started = context.worker.scratch / "started"
    script = f"import time; open({str(started)!r}, 'w'); time.sleep(600)"
    context.stop = started.exists
    for outcome in python(script).answer(X, context):
        assert isinstance(outcome, Failure)
        assert outcome.reason is Reason.CANCELLED


def test_a_parser_may_be_a_function_or_a_name(context) -> None:
    read = lambda folder: {"y": float((folder / "stdout.txt").read_text())}  # noqa: E731
    label = python("print(4)", parse=read).answer(X, context)[0]
    assert isinstance(label, Label)
    assert label.outputs["y"] == 4.0
    label = python("print('{\"y\": 5}')", output="stdout.txt").answer(X, context)[0]
    assert isinstance(label, Label)
    with pytest.raises(ConfigError, match=r"no parser 'xml'; known are \['json', 'npz'\]"):
        python("", parse="xml")
    with pytest.raises(RoleFailed):
        python("", parse="no.such:parser")


def test_a_parser_that_raises_is_a_failure_with_the_log(context) -> None:
    outcome = python("print('not json')", output="stdout.txt").answer(X, context)[0]
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.RAISED
    assert "not json" in outcome.traceback
    outcome = python("print('[1]')", output="stdout.txt").answer(X, context)[0]
    assert isinstance(outcome, Failure)
    assert outcome.reason is Reason.REJECTED


def test_npz_goes_in_and_out(context) -> None:
    script = (
        OUT + "np.savez('output.npz', **{k + '2': v * 2 for k, v in np.load('in.npz').items()})"
    )
    batch = Batch.of([{"file": np.ones(2), "b": np.arange(3)}])
    (label,) = python(script, files={"in.npz": "npz"}, parse="npz").answer(batch, context)
    assert isinstance(label, Label), label
    assert label.outputs["file2"].tolist() == [2.0, 2.0]
    assert label.outputs["b2"].tolist() == [0, 2, 4]


def test_the_environment_is_added_to(context, monkeypatch) -> None:
    monkeypatch.setenv("QUERIST_TEST_A", "1")
    context.worker = replace(context.worker, threads=3)
    names = "'QUERIST_TEST_A', 'B', 'OMP_NUM_THREADS'"
    script = OUT + f"out(y=[int(os.environ[name]) for name in ({names})])"
    label = python(script, environment={"B": "2"}).answer(X, context)[0]
    assert isinstance(label, Label), label
    assert label.outputs["y"].tolist() == [1, 2, 3]
    assert "B" not in os.environ


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"command": "echo hello"}, "list of program and arguments"),
        ({"command": ["echo"], "shell": True}, "one string"),
        ({"command": []}, "list of program"),
        ({"command": ["a"], "keep": "some"}, r"keep is one of \['all', 'failed', 'none'\]"),
        ({"command": ["a"], "files": {"x": "cif"}}, "no input format 'cif'"),
    ],
)
def test_bad_settings_are_refused(bad, words) -> None:
    with pytest.raises(ConfigError, match=words):
        CommandOracle(**bad)


WATER = atoms_sample([8, 1, 1], np.arange(9.0).reshape(3, 3) / 3, np.eye(3) * 9, charge=-1.0)


def test_atoms_have_names_in_templates() -> None:
    values = inputs.variables(WATER)
    assert values["xyz"].splitlines()[0] == "O 0.0 0.3333333333333333 0.6666666666666666"
    assert (values["count"], values["charge"], values["multiplicity"]) == ("3", "-1", "1")
    assert values["numbers"] == "8 1 1"


@pytest.mark.atoms
def test_extxyz_is_read_by_ase(tmp_path: Path) -> None:
    io = pytest.importorskip("ase.io")
    inputs.write_extxyz(tmp_path / "a.xyz", WATER)
    atoms = io.read(tmp_path / "a.xyz")
    np.testing.assert_array_equal(atoms.positions, WATER["positions"])
    assert atoms.numbers.tolist() == [8, 1, 1]
    assert atoms.pbc.all()
    assert atoms.cell[0, 0] == 9
    assert atoms.info["charge"] == -1


def test_a_molecule_beside_crystals_has_no_lattice(tmp_path: Path) -> None:
    inputs.write_extxyz(
        tmp_path / "a.xyz", atoms_sample([8], [[0, 0, 0]], np.zeros((3, 3)), [0] * 3)
    )
    assert "Lattice" not in (tmp_path / "a.xyz").read_text()
