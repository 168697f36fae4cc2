"""Counts that are ``auto``, while a campaign runs: a process beside it plans what is left of it.

That process reads the journal and posts to the inbox, as any other may, so that the campaign's own
process does nothing for it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from querist.campaign.placing import runs_programs
from querist.campaign.settings import CampaignSettings, number
from querist.campaign.wiring import explorer_pool, is_finite, members_of
from querist.control.plan import Plan
from querist.core.errors import RunError
from querist.core.tasks import Factory, PoolSpec, without_rank
from querist.engines.lifeline import die_with_parent
from querist.engines.staff import portable
from querist.planning.staffing import EXPLORERS, ORACLE, TRAINER, Adviser, Bounds
from querist.store.run_folder import RunFolder

ENGINES = ("processes", "mpi")
_PAUSE = 1.0  # seconds between two looks at the journal
_REST = 10.0  # times as long as a plan took, so that it takes a tenth of a core at most
_NICE = 10
_BOOT = "import sys; sys.path[:] = {}; from querist.campaign.restaffing import main; main({})"


def bounds_of(written: CampaignSettings, made: CampaignSettings) -> Bounds | None:
    """What may be moved: roles whose count is ``auto``; None where there are not two of them.

    Roles that need GPUs, oracles with resources of their own and explorers that are split stay. So
    does an explorer whose generators nobody else has.

    Args:
        written: As the user wrote them.
        made: With a number for every count.
    """
    if made.engine.kind not in ENGINES or made.placement.kind == "split":
        return None
    least, most = dict[str, int](), dict[str, int]()
    if written.explorers == "auto" and not made.gpus.explorers:
        least[EXPLORERS] = min(len(made.generators), number(made.explorers))
        if is_finite(made):  # more explorers would propose the same
            most[EXPLORERS] = number(made.explorers)
    for name, oracle in written.oracles.items():
        is_plain = oracle.resources is None and not runs_programs(oracle)
        if oracle.workers == "auto" and not oracle.outside and is_plain:
            least[f"{ORACLE}{name}"] = 1
    members = members_of(made)
    if written.trainers == "auto" and members > 1 and not made.gpus.trainers:
        least[TRAINER], most[TRAINER] = 1, members
    return Bounds(least, most, members) if len(least) > 1 else None


def spare_pools(settings: CampaignSettings, bounds: Bounds) -> list[PoolSpec]:
    """Pools without workers for explorers that may be added."""
    if EXPLORERS not in bounds.least:
        return []
    here = number(settings.explorers)
    workers = here + number(settings.trainers)
    workers += sum(number(o.workers) for o in settings.oracles.values() if not o.outside)
    most = min(bounds.most.get(EXPLORERS, workers), 4 * here + 8, workers - 1)
    return [replace(explorer_pool(settings, slot), count=0) for slot in range(here, most)]


def as_it_ended(
    written: CampaignSettings, made: CampaignSettings, folder: RunFolder
) -> CampaignSettings:
    """The settings with the counts that moves had reached when the run ended.

    With another number of workers, or where nothing may be moved, the counts stay as they are made.
    """
    bounds = bounds_of(written, made)
    if bounds is None:
        return made
    before, now = reached(folder), counts_of(made)
    free = [role for role in bounds.least if role in now]
    same = sum(before[role] for role in free) == sum(now[role] for role in free)
    if not same or any(before[role] < 1 for role in free):
        return made
    oracles = {
        name: o.model_copy(update={"workers": before[f"{ORACLE}{name}"]})
        if f"{ORACLE}{name}" in free
        else o
        for name, o in made.oracles.items()
    }
    rest = {"explorers": EXPLORERS, "trainers": TRAINER}
    update = {field: before[role] for field, role in rest.items() if role in free}
    return made.model_copy(update={**update, "oracles": oracles})


def counts_of(made: CampaignSettings) -> dict[str, int]:
    """Workers by role."""
    oracles = {f"{ORACLE}{n}": number(o.workers) for n, o in made.oracles.items() if not o.outside}
    return {EXPLORERS: number(made.explorers), TRAINER: number(made.trainers), **oracles}


def reached(folder: RunFolder) -> Counter[str]:
    """Workers by role at the end of a run; none where it never began."""
    pools: Counter[str] = Counter()
    for fact in folder.journal_reader().read_new():
        if fact.kind == "run.started":
            pools = Counter(fact.data["pools"])
        elif fact.kind == "worker.left":
            pools[fact.data["pool"]] -= 1
            pools[fact.data["target"]] += 1
    found: Counter[str] = Counter()
    for pool, count in pools.items():
        found[EXPLORERS if pool.startswith("explorer.") else pool] += count
    return found


@contextmanager
def advised(folder: RunFolder, plan: Plan, bounds: Bounds | None) -> Iterator[None]:
    """While a campaign runs, let a process beside it plan its rest.

    Args:
        folder: Of the run.
        plan: Of the campaign.
        bounds: What may be moved; None for nothing.
    """
    told = None if bounds is None else _portable(folder, plan, bounds)
    if told is None:
        yield
        return
    command = [sys.executable, "-c", _BOOT.format(sys.path, os.getpid())]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=without_rank(os.environ),
        start_new_session=True,
    )
    try:
        assert process.stdin is not None
        with suppress(OSError), process.stdin as pipe:
            pipe.write(told)
        yield
    finally:
        process.kill()
        process.wait()


def _portable(folder: RunFolder, plan: Plan, bounds: Bounds) -> bytes | None:
    try:
        return portable(Factory(live=(folder.path, plan, bounds)), "that plans")
    except RunError as error:
        sys.stderr.write(f"querist: counts that are auto stay as they are: {error}\n")
        return None


def main(parent: int) -> None:
    """Follow the run that standard input names, until the campaign's process ends."""
    die_with_parent(signal.SIGKILL)
    if os.getppid() != parent:
        return
    os.nice(_NICE)
    import cloudpickle

    told = cloudpickle.loads(sys.stdin.buffer.read()).live
    folder, plan, bounds = told
    follow(folder, Adviser(plan, bounds))


def follow(folder: Path, adviser: Adviser) -> None:
    """Post what an adviser says of a run, for ever."""
    run = RunFolder(folder)
    reader, inbox = run.journal_reader(), run.inbox
    while True:
        for record in reader.read_new():
            adviser.add(record)
        begun = time.monotonic()
        for one in adviser.advice() if adviser.ready else ():
            inbox.post("staff", {"source": one.source, "target": one.target, "why": one.why})
        time.sleep(max(_PAUSE, _REST * (time.monotonic() - begun)))
