"""The table of commands: complete, in order, loaded when used."""

from __future__ import annotations

import errno
import os
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from querist import __version__
from querist.cli import main
from querist.cli.entry import COMMANDS
from querist.cli.shared import sentences, typed


def call(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def loaded(*arguments: str) -> list[str]:
    """The modules of ours that a call of the command line has loaded."""
    program = (
        "import sys\nfrom querist.cli import main\n"
        "main(sys.argv[1:], standalone_mode=False)\n"
        "print('loaded:', *(name for name in sys.modules if name.startswith('querist.')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.rpartition("loaded:")[2].split()


def test_help_lists_the_commands_in_the_order_of_a_run() -> None:
    said = call("--help").output
    order = [said.index(f"\n  {name} ") for name in ("run", "resume", "check", "report", "export")]
    assert order == sorted(order)
    assert call("--version").output.strip() == f"querist {__version__}"


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_help(command: str) -> None:
    result = call(command, "--help")
    assert result.exit_code == 0
    assert len(result.output.splitlines()) > 3


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_a_command_has_the_name_of_its_line_in_the_table(command: str) -> None:
    found = main.get_command(click.Context(main), command)
    assert found is not None
    assert found.name == command


def test_an_unknown_command_is_a_sentence() -> None:
    result = call("reprot")
    assert result.exit_code == 2
    assert "No such command 'reprot'" in result.output


def test_a_command_loads_its_own_module_only() -> None:
    rooms = [name for name in loaded("strategies", "--help") if name.startswith("querist.cli.")]
    assert sorted(rooms) == ["querist.cli.entry", "querist.cli.shared", "querist.cli.strategy"]


def test_help_loads_nothing_beneath_the_command_line() -> None:
    others = {name.split(".")[1] for name in loaded("--help")} - {"cli"}
    assert others == {"core"}


@pytest.mark.parametrize("arguments", [["serve", "service.yaml"], ["watch", "run"]])
def test_no_address_is_told_where_nothing_can_be_served(arguments, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    (tmp_path / "service.yaml").write_text("data: service\ntenants: {default: {}}\n")
    result = call(*arguments)
    assert result.exit_code == 1
    assert "http://" not in result.output
    assert result.output.count("\n") == 1
    assert "pip install 'querist[service]'" in result.output


@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC, errno.EACCES])
def test_what_a_file_system_refuses_is_a_sentence(number: int) -> None:
    @click.command()
    @sentences
    def command() -> None:
        raise OSError(number, os.strerror(number), "labels.csv")

    result = CliRunner().invoke(command)
    assert result.exit_code == 1
    assert result.output == f"querist: labels.csv: {os.strerror(number)}.\n"


def test_another_error_of_the_system_keeps_its_traceback() -> None:
    @click.command()
    @sentences
    def command() -> None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    assert isinstance(CliRunner().invoke(command).exception, OSError)


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_closed_streams_are_those_of_nobody(tmp_path: Path, closed: tuple[int, ...]) -> None:
    program = (
        "import os, sys\nfrom querist.cli import main\n"
        "main(['strategies', '--json'], standalone_mode=False)\n"
        "sys.stderr.write('said'); print('also'); assert sys.stdin.read() == ''\n"
        "open(sys.argv[1], 'w').write(str(os.open(os.devnull, os.O_RDONLY)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "number")],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        preexec_fn=lambda: [os.close(number) for number in closed],
    )
    assert done.returncode == 0, done.stderr
    assert int((tmp_path / "number").read_text()) > 2
    assert (done.stdout == b"") == (1 in closed)


def test_a_locale_without_our_characters_shows_their_numbers() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "querist", "strategies"],
        env={**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        capture_output=True,
        check=True,
    )
    assert b"\\xe1" in done.stdout


def test_paths_in_commands_can_be_copied_into_a_shell(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "of 'us' & you").mkdir()
    said = call("init", "pool", "of 'us' & you/-p.yaml").output
    named = said.rpartition("querist run ")[2].strip()
    assert Path(shlex.split(named)[0]).is_file()
    assert typed("-p.yaml") == "./-p.yaml"
    assert typed(Path("runs/plain")) == "runs/plain"


def test_a_current_folder_that_was_deleted_is_told(tmp_path: Path, monkeypatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    result = call("init", "campaign")
    assert result.exit_code == 1
    assert "the current folder was deleted" in result.stderr
