"""Runs ``querist`` as a command of its own, finds its processes, and reads what it left."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner

from querist.cli import main
from querist.store.run_folder import RunFolder
from querist.testing.jobs import MARK, marked

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parents[1] / "src"
PATIENCE = 40.0

CAMPAIGN: dict[str, Any] = {
    "generators": "fault_roles:Walkers",
    "model": {"use": "random_features", "options": {"features": 32, "members": 4}},
    "oracles": {"use": "fault_roles:Logged", "options": {"log": "calls.log"}, "workers": 2},
    "gate": {"output": "y", "quantile": 0.5},
    "initial": 8,
    "holdout": 0.2,
    "budget": {"labels": 40},
    "retrain": {"every_labels": 8},
    "queue": {"max_fresh": 16},
    "retry": {"attempts": 5, "backoff": 0.05},
}


def until(good: Callable[[], Any], patience: float = PATIENCE, pause: float = 0.005) -> Any:
    """Wait for something to hold; its value."""
    end = time.monotonic() + patience
    while not (value := good()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(pause)
    return value


class Site:
    """One folder with a problem, and the processes that were started for it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.run = folder, folder / "run"
        self.mark = uuid.uuid4().hex
        self.started: list[subprocess.Popen[str]] = []
        shutil.copy(HERE / "fault_roles.py", folder)

    # -- starting ---------------------------------------------------------------------------

    def configure(self, **changes: Any) -> Path:
        """Write ``campaign.yaml``."""
        config = {**CAMPAIGN, **changes}
        path = self.folder / "campaign.yaml"
        path.write_text(yaml.safe_dump(config))
        return path

    def start(self, *arguments: object, limit: int = 0) -> subprocess.Popen[str]:
        """Start ``querist`` with these arguments; ``limit`` is the largest file in bytes."""
        boot = "from querist.cli import main; main()"
        if limit:
            # Ignored, as Python does not do by itself with SIGXFSZ set by a shell's ulimit.
            boot = f"import resource as r; r.setrlimit(r.RLIMIT_FSIZE, ({limit}, {limit})); {boot}"
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", boot, *map(str, arguments)],
            cwd=self.folder,
            env={**os.environ, MARK: self.mark, "PYTHONPATH": str(SOURCE), "COLUMNS": "200"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def begin(self, **more: Any) -> subprocess.Popen[str]:
        """Run, or resume what there is."""
        if (self.run / "manifest.json").exists():
            return self.start("resume", self.run, "--progress", "none", **more)
        yaml_file = self.folder / "campaign.yaml"
        return self.start("run", yaml_file, "--folder", self.run, "--progress", "none", **more)

    def call(self, *arguments: object, **more: Any) -> tuple[int, str, str]:
        """Run a command to its end: exit status, standard output, standard error."""
        process = self.start(*arguments, **more)
        out, err = process.communicate(timeout=PATIENCE)
        return process.returncode, out, err

    def ask(self, *arguments: object) -> tuple[int, str]:
        """Run a command in this process, which is quicker: exit status, all that it said."""
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        return result.exit_code, result.output

    def finish(self, process: subprocess.Popen[str] | None = None) -> str:
        """Let a run finish well; what it said."""
        process = process or self.begin()
        _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, err
        return err

    # -- processes --------------------------------------------------------------------------

    def processes(self) -> dict[int, str]:
        """Command line by process id, of all living processes of this site."""
        return marked(self.mark)

    def worker(self, name: str) -> int | None:
        """Process id of a worker of this pool."""
        for pid, command in self.processes().items():
            if f"querist-worker {name}" in command:
                return pid
        return None

    def kill(self, process: subprocess.Popen[str]) -> None:
        """Kill a controller; nothing that it started may outlive it for long."""
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=PATIENCE)
        self.nothing_left()

    def nothing_left(self) -> None:
        """Wait a little until no process is left."""
        until(lambda: not self.processes(), 5.0)

    def end(self) -> None:
        """End what a failed test left running, then see that nothing is left."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.communicate()
        self.nothing_left()

    # -- what it left -----------------------------------------------------------------------

    def facts(self, *kinds: str) -> list[Any]:
        """Records of the journal, of these kinds or of all."""
        if not (self.run / "manifest.json").exists():
            return []
        records = RunFolder(self.run).journal_reader().read_new()
        return [record for record in records if not kinds or record.kind in kinds]

    def calls(self) -> list[tuple[str, ...]]:
        """Lines of the oracle's own log, split: "begin" or "end", the sample's id."""
        log = self.folder / "calls.log"
        return (
            [tuple(line.split()) for line in log.read_text().splitlines()] if log.exists() else []
        )
