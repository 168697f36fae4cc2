"""What survives what: a campaign is hurt in one way a cell, and what it lost is counted.

    python benchmarks/faults.py [--quick] [--table] [--only PATTERN ...]

One JSON line a cell, ``ENGINE/FAULT``. ``what`` is what the run itself recorded or said. ``lost``
counts answers that the oracle gave, by its own log, which it syncs before each answer, and labels
that were durable before, that the run has no label for in the end; a run that ended was resumed
first. ``ours`` is the seconds from the fault until what it hit works again (``ended`` is false), or
until nothing of the job is left (true). ``twice`` counts durable labels that were asked for again,
``repeated`` answers that were on their way when the fault came, and were computed again. ``limit``
is the time limit in seconds of the job, at which it is killed and ``hung``.

The engine ``mpi+ulfm`` is ``mpiexec --with-ft ulfm``. The full disk is a small file system; where
mounting one is not permitted, a limit on the size of the controller's files stands in. On
``processes``, ``too-few-ranks`` is a start by mpiexec, which it refuses.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from querist.campaign.inspecting import failures_of
from querist.store.lock import read_holder
from querist.store.reserve import Reserve
from querist.store.run_folder import RunFolder
from querist.testing.faults import Durable, durable, evidence, notes, repaired
from querist.testing.jobs import Ended, Job, mpiexec

ENGINES = ("processes", "mpi", "mpi+ulfm")
RANKS = 5
LIMIT = 60.0  # seconds
DISK = 20_000  # bytes of the largest file, or of the file system beside the journal's reserve
AFTER = 12  # answers before the fault
OURS = ("failed:", "finished:", "stopped:", "querist:", "- ")  # how our sentences begin
ROLES = "querist.testing.faults"
MAIN = "from querist.cli import main; main()"
LACKS = f"import os; os.environ['OMPI_COMM_WORLD_RANK'] == '1' and __import__('lacking'); {MAIN}"
FULL = f"import resource as r; r.setrlimit(r.RLIMIT_FSIZE, ({DISK}, {DISK})); {MAIN}"
# MPI has large files of its own in shared memory, made before.
FULL_MPI = f"from querist.engines.mpi import attend; attend(); {FULL}"


@dataclass(frozen=True)
class Fault:
    """What goes wrong.

    Attributes:
        oracle, generator, model: Options of the faulty roles.
        signum: A signal that the job is sent.
        proof: Kind of fact that shows that what was hit works again.
        engines: Where it can happen.
    """

    oracle: dict[str, Any] = field(default_factory=dict)
    generator: dict[str, Any] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    signum: int = 0
    proof: str = "answer.label"
    engines: tuple[str, ...] = ENGINES


def of_oracle(way: str, engines: tuple[str, ...] = ENGINES) -> Fault:
    """An oracle's answer goes wrong."""
    return Fault(oracle={"way": way}, engines=engines)


FAULTS = {
    "oracle-raises": of_oracle("raise"),
    "oracle-hangs": of_oracle("hang"),
    "oracle-nan": of_oracle("nan"),
    "oracle-shape": of_oracle("shape"),
    "oracle-segfaults": of_oracle("segfault"),
    "oracle-killed": of_oracle("kill"),
    "oracle-rank-killed": of_oracle("kill-parent", ENGINES[1:]),
    "explorer-killed": Fault(generator={"way": "kill"}, proof="explored"),
    "trainer-killed": Fault(model={"fit": "kill"}, proof="model.published"),
    "controller-killed": Fault(),
    "job-sigterm": Fault(signum=signal.SIGTERM),
    "job-sigusr1": Fault(signum=signal.SIGUSR1),
    "predict-raises": Fault(model={"predict": "raise"}, proof="explored"),
    "predict-always-raises": Fault(model={"predict": "raise", "times": 0}, proof="explored"),
    "generator-raises": Fault(generator={"way": "raise"}, proof="explored"),
    "generator-always-raises": Fault(generator={"way": "raise", "times": 0}, proof="explored"),
    "syntax-error": Fault(),
    "disk-full": Fault(),
    "too-few-ranks": Fault(),
    "import-fails-on-a-rank": Fault(engines=ENGINES[1:]),
}
QUICK = (
    "processes/oracle-killed",
    "processes/controller-killed",
    "processes/disk-full",
    "mpi/oracle-segfaults",
    "mpi/explorer-killed",
    "mpi/too-few-ranks",
    "mpi+ulfm/trainer-killed",
    "mpi+ulfm/syntax-error",
)


class Cell:
    """One fault on one engine, in a folder of its own.

    Args:
        engine: One of ``ENGINES``.
        fault: One of ``FAULTS``.
        folder: Empty.
        labels: Budget of the campaign.
    """

    def __init__(self, engine: str, fault: str, folder: Path, labels: int = 40) -> None:
        self.engine, self.name, self.fault = engine, fault, FAULTS[fault]
        self.folder, self.run, self.log = folder, folder / "run", folder / "calls.log"
        self.labels, self.struck_at = labels, 0.0
        self.broken = fault == "syntax-error"
        self.mounted = fault == "disk-full" and self._mount(Reserve.size + 3 * DISK)
        self._configure()

    def _mount(self, size: int, again: str = "") -> bool:
        """Let the run's folder lie on a file system of this many bytes; whether that could be."""
        disk = self.folder / "disk"
        disk.mkdir(exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"{again}size={size}", "none", str(disk)]
        if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
            return False
        self.run = disk / "run"
        return True

    def close(self) -> None:
        """Take down the small file system."""
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.folder / "disk")], check=True)

    def _configure(self) -> None:
        def role(name: str, options: dict[str, Any]) -> dict[str, Any]:
            own = {"log": str(self.log), "after": AFTER}
            return {"use": f"{ROLES}:{name}", "options": {**own, **options}}

        oracle = {**role("FaultyOracle", self.fault.oracle), "workers": 2, "timeout": 2.0}
        if self.broken:
            (self.folder / "mine.py").write_text("def simulate(x:\n    return 0\n")
            oracle["use"] = "mine:FaultyOracle"
        config = {
            "engine": self.engine.partition("+")[0],
            "generators": role("FaultyWalkers", self.fault.generator),
            "model": role("FaultyModel", self.fault.model),
            "oracles": oracle,
            "gate": {"output": "y", "quantile": 0.5},
            "initial": 8,
            "holdout": 0.2,
            "budget": {"labels": self.labels},
            "retrain": {"every_labels": 8},
            "queue": {"max_fresh": 4},
            "retry": {"attempts": 5, "backoff": 0.05},
        }
        (self.folder / "campaign.yaml").write_text(yaml.safe_dump(config))

    # Jobs.

    def begin(self, boot: str = MAIN, ranks: int = RANKS) -> Job:
        """Run, or resume what there is."""
        known = (self.run / "manifest.json").exists()
        arguments = ["resume"] if known else ["run", "campaign.yaml", "--folder"]
        launcher = []
        if self.engine != "processes" or ranks != RANKS:
            options = ("--with-ft", "ulfm") if self.engine == "mpi+ulfm" else ()
            launcher = mpiexec(ranks, *options)
        command = [*launcher, sys.executable, "-W", "error", "-c", boot, *arguments]
        return Job([*command, str(self.run), "--progress", "none"], self.folder, limit=LIMIT)

    def hurt(self) -> Ended:
        """Run into the fault; how the job ended."""
        if self.name == "disk-full" and not self.mounted:
            return self.begin(FULL if self.engine == "processes" else FULL_MPI).end()
        if self.name == "too-few-ranks":
            return self.begin(ranks=3).end()
        if self.name == "import-fails-on-a-rank":
            return self.begin(LACKS).end()
        job = self.begin()
        if self.name == "controller-killed" or self.fault.signum:
            self._strike(job)
        return job.end()

    def _strike(self, job: Job) -> None:
        """Send the job its signal, or kill the controller."""
        while job.running and len(notes(self.log, "end")) < AFTER:
            time.sleep(0.01)
        holder = read_holder(self.run)
        if holder is not None and job.running:
            self.struck_at = time.time()
            if self.fault.signum:
                job.signal(self.fault.signum)
            else:
                os.kill(holder.pid, signal.SIGKILL)

    def repair(self) -> None:
        """Undo what went wrong for good."""
        repaired(self.log).touch()
        if self.mounted:
            self._mount(2**26, "remount,")
        if self.broken:
            (self.folder / "mine.py").write_text(f"from {ROLES} import FaultyOracle\n")

    # What is seen.

    def moment(self, ended: Ended) -> float:
        """When the fault came, in Unix seconds; the job's start where it could not begin."""
        hits = notes(self.log, "fault")
        if hits:
            return hits[0].at
        if self.name == "disk-full":
            return float(self.facts()[-1].at)
        return self.struck_at or ended.at - ended.seconds

    def facts(self) -> list[Any]:
        """The run's journal."""
        if not (self.run / "manifest.json").exists():
            return []
        return list(RunFolder(self.run).journal_reader().read_new())

    def recovered(self, moment: float) -> float:
        """When what was hit worked again, in Unix seconds."""
        hit = notes(self.log, "fault")[0].what
        for fact in self.facts():
            if fact.at <= moment:
                continue
            again = fact.kind == self.fault.proof and fact.data.get("sample", hit) == hit
            given_up = fact.kind == "answer.failure" and fact.data["final"]
            if again or given_up or fact.kind == "run.ended":
                return float(fact.at)
        return float("nan")

    def told(self, ended: Ended, again: Ended | None) -> str:
        """The run's own words: of the failure that it survived, or of its end."""
        if again is None:
            found = failures_of(self.run)
            text = f"{found[0].who}: {found[0].message}" if found else "nothing"
        else:
            text = last_words(ended.said) or f"(resumed) {last_words(again.said)}"
        return shorten(text.replace(f"{self.folder}/", ""))

    def measure(self) -> dict[str, Any]:
        """Run into the fault, resume if need be, and count."""
        ended = self.hurt()
        moment = self.moment(ended)
        if ended.status == 0:
            return self._line(ended, None, self.recovered(moment) - moment, [])
        before = [durable(self.log, self.run)]
        self.repair()
        again = self.begin().end()
        return self._line(ended, again, ended.at - moment, before)

    def _line(
        self, ended: Ended, again: Ended | None, seconds: float, before: list[Durable]
    ) -> dict[str, Any]:
        last = again or ended
        found = evidence(self.log, self.run, before)
        return {
            "case": f"{self.engine}/{self.name}",
            "ours": round(seconds, 2),
            "limit": LIMIT,
            "unit": "s",
            "what": self.told(ended, again),
            "ended": again is not None,
            "status": ended.status,
            "hung": ended.hung or last.hung,
            "lost": len(found.lost),
            "twice": len(found.twice),
            "repeated": found.repeated,
            "labels": found.labels,
            "finished": last.status == 0 and found.labels == self.labels,
        }


def last_words(said: str) -> str:
    """What a job said of its end: Querist's own sentence, else the launcher's, if any."""
    lines = [line.strip() for line in said.splitlines() if line.strip(" -")]
    ours = [line for line in lines if line.startswith(OURS)]
    theirs = re.findall(r"\w+ noticed that .*? exited on signal \d+", " ".join(lines))
    pythons = [line for line in lines if re.match(r"\w+Error: ", line)]
    return (ours or theirs or pythons or lines[-1:] or [""])[0].removeprefix("- ")


def shorten(text: str, most: int = 180) -> str:
    """On one line, not too long."""
    flat = " ".join(text.split())
    return flat if len(flat) <= most else flat[: most - 3] + "..."


def cells(patterns: list[str], has: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    """Engines and faults that match one of these patterns."""
    for engine in ENGINES:
        for name, fault in FAULTS.items():
            wanted = any(fnmatchcase(f"{engine}/{name}", pattern) for pattern in patterns)
            if wanted and engine in fault.engines and has(engine):
                yield engine, name


@cache
def has_engine(engine: str) -> bool:
    """Whether it can be used here."""
    if engine == "processes":
        return True
    options = ("--with-ft", "ulfm") if engine == "mpi+ulfm" else ()
    try:
        command = [*mpiexec(1, *options), sys.executable, "-c", "from mpi4py import MPI"]
        return Job(command, Path(tempfile.gettempdir()), limit=30).end().status == 0
    except FileNotFoundError:
        return False


def measured(engine: str, fault: str, labels: int = 40) -> dict[str, Any]:
    """One cell, in a temporary folder."""
    with (
        tempfile.TemporaryDirectory(prefix="querist-faults-") as folder,
        closing(Cell(engine, fault, Path(folder), labels)) as cell,
    ):
        return cell.measure()


def table(lines: list[dict[str, Any]]) -> str:
    """Markdown: a row for each fault, a column for each engine."""
    by = {line["case"]: line for line in lines}
    engines = [e for e in ENGINES if any(case.startswith(f"{e}/") for case in by)]
    rows = ["| fault | " + " | ".join(engines) + " | what the run says |"]
    rows.append("|---" * (len(engines) + 2) + "|")
    for name in FAULTS:
        row = [by.get(f"{engine}/{name}") for engine in engines]
        said = [line["what"] for line in row if line]
        if said:
            text = said[-1].replace("|", "\\|")
            rows.append(f"| {name} | " + " | ".join(map(entry, row)) + f" | {text} |")
    return "\n".join(rows)


def entry(line: dict[str, Any] | None) -> str:
    """One cell of the table."""
    if line is None:
        return "-"
    if line["hung"]:
        return f"**hangs**, {line['lost']} lost"
    how = "ends" if line["ended"] else "goes on"
    bad = "" if line["finished"] else ", **does not finish**"
    return f"{how} after {line['ours']:.1f} s, {line['lost']} lost{bad}"


def main() -> int:
    """Print one line a cell; 1 if there was a hang or a loss."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="some cells only")
    parser.add_argument("--table", action="store_true", help="then all of it as Markdown")
    parser.add_argument("--only", nargs="+", help="patterns of ENGINE/FAULT")
    given = parser.parse_args()
    lines = []
    for engine, name in cells(given.only or (list(QUICK) if given.quick else ["*"]), has_engine):
        lines.append(measured(engine, name, 24 if given.quick else 40))
        print(json.dumps(lines[-1]), flush=True)
    if given.table:
        print(table(lines))
    return int(any(line["hung"] or line["lost"] or line["twice"] for line in lines))


if __name__ == "__main__":
    sys.exit(main())
