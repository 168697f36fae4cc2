"""Check: a gated surrogate keeps a reactor as predictive control by simulation does, in time.

    python examples/experiment_control/check.py [--full] [--folder runs/experiment_control]

The quick form has 2 plants of 800 turns, the full one 6 of 1500. Exit code 1 if a row of the table
does not hold. How long answers took is told and not checked.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

import numpy as np  # noqa: E402
from drawing import draw  # noqa: E402
from gated import COVERAGE, GAINS, TOLERANCE, Gated, Story  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from plant import Course, Log, Twin, run  # noqa: E402
from predictive import Pid, plan  # noqa: E402
from reactor import LIMIT, Floats, advanced  # noqa: E402

from querist.testing.checks import Row, above, below, finish, save  # noqa: E402

QUICK, FULL = (2, 800), (6, 1500)  # plants, turns
DEADLINE = 5e-3  # s
PID, NOW, LATE = "PID", "simulation, however late", "simulation, a turn late"
SOFT, HARD, BLIND = "surrogate", "surrogate, PID where late", "surrogate, activity not told"
SURROGATES = {SOFT: {}, HARD: {"hard": True}, BLIND: {"told": False}}


def by_pid(course: Course) -> Log:
    """The plants kept by a PID each."""
    pid = Pid(*GAINS)
    return run(course, lambda turn, seen, _twin: pid(seen[1], course.aim[turn]))


def by_simulation(course: Course) -> Log:
    """Kept by predictive control on the simulation, whose answers act in the turn they are for."""
    return run(course, lambda turn, seen, twin: plan(*seen, course.aim[turn], twin.now))


def by_late_simulation(course: Course) -> Log:
    """The same where answers act a turn later; they are asked for the state foretold for then."""
    acting = np.full(course.aim.shape[1], 300.0)

    def control(turn: int, seen: tuple[Floats, Floats], twin: Twin) -> Floats:
        nonlocal acting
        now, foretold = acting, advanced(*seen, acting, twin.now)
        acting = plan(*foretold, course.aim[turn], twin.now)
        return now

    return run(course, control)


PLAIN = {PID: by_pid, NOW: by_simulation, LATE: by_late_simulation}


def job(name: str, seeds: Sequence[int], turns: int) -> Log | Story:
    """One way to keep plants: all of them at once, or the one that a surrogate keeps."""
    course = Course.of(seeds, turns)
    if name in PLAIN:
        return PLAIN[name](course)
    return Gated(course, seeds[0], **SURROGATES[name]).run()


def made(count: int, turns: int) -> tuple[dict[str, Log], dict[str, list[Story]]]:
    """All runs, on two processes."""
    jobs = [(name, [seed]) for name in reversed(SURROGATES) for seed in range(count)]
    jobs = [(name, list(range(count))) for name in reversed(PLAIN)] + jobs
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        waits = [(name, pool.submit(job, name, seeds, turns)) for name, seeds in jobs]
        found = [(name, wait.result()) for name, wait in waits]
    logs = {name: one for name, one in found if isinstance(one, Log)}
    stories: dict[str, list[Story]] = {name: [] for name in SURROGATES}
    for name, one in found:
        if isinstance(one, Story):
            stories[name].append(one)
    return {name: logs[name] for name in PLAIN}, stories


def kept(t: Floats, u: Floats, aim: Floats) -> dict[str, float]:
    """How well: errors, highest temperature and moves of the input in K; share above the limit."""
    away = t - aim
    return {
        "error_K": float(np.sqrt((away**2).mean())),
        "worst_plant_K": float(np.sqrt((away**2).mean(axis=0)).max()),
        "above_limit": float((t > LIMIT).mean()),
        "highest_K": float(t.max()),
        "moves_K": float(np.abs(np.diff(u, axis=0)).mean()),
    }


def told(stories: Sequence[Story], aim: Floats) -> dict[str, Any]:
    """The same of surrogates, with who answered, how well and how fast."""
    t, u = (np.hstack([getattr(s.log, k) for s in stories]) for k in ("t", "u"))
    modelled = np.concatenate([s.modelled for s in stories])
    errors = np.concatenate([s.errors for s in stories])[modelled]
    wall, cpu = (np.concatenate([getattr(s, k) for s in stories]) for k in ("wall", "cpu"))
    return {
        **kept(t, u, aim),
        "simulated": float(1 - modelled.mean()),
        "simulated_outside_turns": [s.taught for s in stories],
        "model_within_tolerance": _share(np.abs(errors) <= TOLERANCE),
        "alarms": [s.alarms for s in stories],
        "late": _share(wall > DEADLINE),
        "late_of_the_models": _share(wall[modelled] > DEADLINE),
        "late_of_the_models_cpu": _share(cpu[modelled] > DEADLINE),
        "model_ms": _milliseconds(cpu[modelled], 0.5, 0.99),
        "simulation_ms": _milliseconds(cpu[~modelled], 0.05, 0.5),
        "untrusted": [s.status["untrusted"] for s in stories],
    }


def _share(flags: NDArray[np.bool_]) -> float:
    return float(flags.mean()) if len(flags) else float("nan")


def _milliseconds(seconds: Floats, *shares: float) -> list[float]:
    return [float(1e3 * np.quantile(seconds, q)) for q in shares] if len(seconds) else []


def rows(facts: dict[str, Any]) -> list[Row]:
    """What has to hold; limits leave room for other processors' last digits."""
    soft, hard, blind = (facts[name] for name in SURROGATES)
    pid, now, late = (facts[name]["error_K"] for name in PLAIN)
    fewest = min(map(len, blind["alarms"]))
    return [
        below(
            "error of the surrogate / the simulation's, however late", 1.15, soft["error_K"] / now
        ),
        below("error of the surrogate / the PID's", 0.95, soft["error_K"] / pid),
        below(
            "error of the surrogate / the simulation's, a turn late", 0.85, soft["error_K"] / late
        ),
        below("turns above the limit, surrogate", 0.002, soft["above_limit"]),
        below("share of calls simulated", 0.35, soft["simulated"]),
        above("model's answers within the tolerance", COVERAGE, soft["model_within_tolerance"]),
        below("alarms where all that ages is told", 1, sum(map(len, soft["alarms"]))),
        below("error with the PID where late / the PID's", 1.0, hard["error_K"] / pid),
        above("alarms a plant where the activity is not told, at least", 0, fewest),
    ]


def print_table(facts: dict[str, Any]) -> None:
    """How each kept the plants."""
    print(f"{'kept by':30} error/K  above limit  highest/K  simulated  within  late (model's)")
    for name, one in facts.items():
        line = (
            f"{name:30} {one['error_K']:7.3f}  {one['above_limit']:11.2%}  {one['highest_K']:9.1f}"
        )
        if "simulated" in one:
            line += f"  {one['simulated']:9.1%}  {one['model_within_tolerance']:6.1%}"
            line += f"  {one['late']:.1%} ({one['late_of_the_models_cpu']:.1%})"
        print(line)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run and check; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--full", action="store_true", help=f"plants and turns: {FULL}")
    parser.add_argument("--folder", type=Path, default=Path("runs/experiment_control"))
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    count, turns = FULL if options.full else QUICK
    logs, stories = made(count, turns)
    course = Course.of(range(count), turns)
    facts: dict[str, Any] = {name: kept(log.t, log.u, course.aim) for name, log in logs.items()}
    facts |= {name: told(some, course.aim) for name, some in stories.items()}
    drawn = {PID: logs[PID], LATE: logs[LATE], SOFT: stories[SOFT][0].log}
    ones = {name: stories[name][0] for name in (SOFT, BLIND)}
    draw(course, drawn, ones, options.folder / "control.png")
    print_table(facts)
    found = rows(facts)
    save(options.folder, found, {"plants": count, "turns": turns, "kept_by": facts})
    return finish(found)


if __name__ == "__main__":
    sys.exit(main())
