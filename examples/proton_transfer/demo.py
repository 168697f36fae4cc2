"""What ``make demo`` runs: the campaign, its check, its report, the energy along the transfer.

``python demo.py`` makes a new folder ``runs/proton_transfer-<n>`` below the current one;
``python demo.py --resume FOLDER`` continues one that was stopped. What ``make demo-mpi`` runs is
``mpiexec -n 8 python demo.py --engine mpi``.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

# Before anything loads a linear algebra library or tblite: one thread a process.
for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

from check import FULL, QUICK, Verdict, check  # noqa: E402
from drawing import text_plot  # noqa: E402

from querist.campaign.campaign import Campaign, RunResult  # noqa: E402
from querist.core.errors import QueristError  # noqa: E402
from querist.engines.launched import launched  # noqa: E402
from querist.engines.mpi import attend  # noqa: E402
from querist.testing.checks import new_folder, sentence, table  # noqa: E402

HERE = Path(__file__).resolve().parent
INTERRUPTED = 130
HONEST = """\
GFN2-xTB answers in 3 ms, so nothing was gained here but the proof that what was learned is right.
The gain comes with a costly oracle: campaign-hf.yaml learns the same surface from Hartree-Fock
(pip install 'querist[chem]'); README.md has what it measured."""


def learn(folder: Path, options: argparse.Namespace) -> RunResult:
    """Run the campaign, or continue it."""
    progress = options.progress or True
    if options.resume is not None:
        return Campaign.of_run(folder, engine=options.engine).resume(folder, progress=progress)
    campaign = Campaign.load(HERE / "campaign.yaml", engine=options.engine)
    return campaign.run(folder, progress=progress)


def show(result: RunResult, verdict: Verdict, seconds: tuple[float, float]) -> None:
    """What was learned, in text."""
    level = str(verdict.facts["level"])
    labels = len(result.dataset())
    print(f"\n{text_plot(verdict.profile, level)}\n")
    print(f"{table(verdict.rows)}\n\n{sentence(verdict.rows)}")
    print(f"{labels} labels; learning took {seconds[0]:.0f} s, the check {seconds[1]:.0f} s.")
    print(f"\n  report   {result.report()}")
    print(f"  picture  {result.folder / 'profile.png'}")
    print(f"\n{HONEST}")


def continuing(options: argparse.Namespace, folder: Path) -> list[str]:
    """The command that continues a run that was stopped; over MPI in a job as this one."""
    engine = ["--engine", options.engine] if options.engine else []
    found = launched() if options.engine == "mpi" else None
    launcher = ["mpiexec", "-n", str(found.size)] if found else []
    return [*launcher, sys.executable, __file__, *engine, "--resume", str(folder)]


def demonstrate(options: argparse.Namespace) -> int:
    """Learn, check, show; returns the exit code."""
    if options.engine == "mpi":
        attend()  # ranks other than 0 work here until the job ends
    folder: Path = options.resume or new_folder(Path("runs"), "proton_transfer")
    print("Learning the proton transfer of malonaldehyde from GFN2-xTB: walkers explore on a")
    print("committee of force fields, two oracles answer what it is unsure of, a trainer learns.")
    print(f"Run folder: {folder}\n", flush=True)
    begin = time.monotonic()
    result = learn(folder, options)
    if result.status == "stopped":
        print(f"\nStopped ({result.reason}); every answer so far is kept. Continue with:")
        print(f"  {shlex.join(continuing(options, folder))}")
        return INTERRUPTED
    if result.status != "finished":
        print(f"\nThe campaign {result.status}: {result.reason}", file=sys.stderr)
        print(f"See: querist failures {folder}", file=sys.stderr)
        return 1
    learned = time.monotonic()
    print("\nChecking it against new trajectories on the oracle ...", flush=True)
    verdict = check(folder, QUICK if options.quick else FULL)
    show(result, verdict, (learned - begin, time.monotonic() - learned))
    return 1 if verdict.failed else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--resume", type=Path, metavar="FOLDER", help="continue this run")
    parser.add_argument("--engine", choices=("processes", "mpi"), help="mpi: under mpiexec")
    parser.add_argument("--quick", action="store_true", help="check on shorter trajectories")
    parser.add_argument("--progress", choices=("live", "plain"), help="a panel, or plain lines")
    options = parser.parse_args(arguments)
    try:
        return demonstrate(options)
    except QueristError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted. What was learned is kept; to check it: check.py FOLDER")
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
