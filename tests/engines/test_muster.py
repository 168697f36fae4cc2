"""Ranks that cannot come to the campaign end the job, with one sentence; the others never hang."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from querist.engines.muster import PATIENCE, Muster, watched
from querist.testing.jobs import Ended, Job, mpiexec

pytestmark = pytest.mark.mpi
COME = "from querist.engines.mpi import attend\nprint(attend().size)\n"
RANK = "import os, sys, time\nrank = os.environ['OMPI_COMM_WORLD_RANK']\n"
ENDS = RANK + "if rank == '1':\n    import no_such_module\n" + COME
STAYS = "from mpi4py import MPI\n" + ENDS  # in MPI_Finalize
TOLD = "from querist import Campaign\n" + STAYS
LATE = RANK + "if rank == '0':\n    time.sleep(1.5)\n" + COME


@pytest.fixture(autouse=True)
def _has_mpi() -> None:
    pytest.importorskip("mpi4py")
    try:
        mpiexec(1)
    except FileNotFoundError as error:
        pytest.skip(str(error))


def ended(folder: Path, code: str, *options: str, shell: bool = False, patience: int = 30) -> Ended:
    (folder / "script.py").write_text(code)
    command = [sys.executable, "script.py"]
    if shell:
        command = ["sh", "-c", f"{sys.executable} script.py; exit $?"]
    job = [*mpiexec(3, *options), *command]
    return Job(job, folder, {PATIENCE: str(patience)}, limit=40).end()


def with_ulfm(folder: Path, code: str, **more) -> Ended:
    done = ended(folder, code, "--with-ft", "ulfm", **more)
    if "unrecognized" in done.said or "unknown option" in done.said:
        pytest.skip("this MPI has no ULFM")
    return done


@pytest.mark.parametrize("shell", [False, True])
def test_a_rank_that_ended_before_ends_the_job(tmp_path: Path, shell: bool) -> None:
    done = with_ulfm(tmp_path, ENDS, shell=shell)
    assert not done.hung, done
    assert done.status != 0
    assert done.said.count("No module named 'no_such_module'") == 1
    assert done.said.count("querist: 1 of the ranks on") == 1


def test_a_rank_that_waits_elsewhere_ends_the_job_when_patience_does(tmp_path: Path) -> None:
    done = ended(tmp_path, STAYS, patience=2)
    assert not done.hung, done
    assert done.status != 0
    assert done.said.count("not all ranks came to the campaign within 2 s") == 1


@pytest.mark.parametrize("options", [(), ("--with-ft", "ulfm")], ids=["plain", "ulfm"])
def test_a_rank_that_fails_after_it_knew_querist_ends_the_job_at_once(
    tmp_path: Path, options: tuple[str, ...]
) -> None:
    done = ended(tmp_path, TOLD, *options)
    if "unrecognized" in done.said or "unknown option" in done.said:
        pytest.skip("this MPI has no ULFM")
    assert not done.hung, done
    assert done.status != 0
    assert done.said.count("querist: this rank ended before the campaign began") == 1


def test_one_that_is_late_is_waited_for(tmp_path: Path) -> None:
    done = with_ulfm(tmp_path, LATE)
    assert (done.status, done.hung, done.said.split()) == (0, False, ["3"]), done.said


def test_without_a_known_launcher_nobody_is_missed() -> None:
    assert Muster(os.getpid(), {}).missing() == 0
    foreign = {"PMIX_NAMESPACE": "prterun-x@1", "OMPI_COMM_WORLD_LOCAL_SIZE": "4"}
    assert Muster(os.getpid(), foreign).launcher == 0


def test_the_watch_ends_with_the_meeting(tmp_path: Path, look) -> None:
    before = look.children(os.getpid())
    with watched(2):
        assert len(look.children(os.getpid()) - before) == 1
    assert look.children(os.getpid()) <= before
    with watched(1):
        assert look.children(os.getpid()) <= before
