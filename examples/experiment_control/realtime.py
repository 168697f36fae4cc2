"""The same control by the clock: a turn every 25 ms, and each answer within 5 ms or by the PID.

    python examples/experiment_control/realtime.py [--turns 1500] [--turn 0.025] [--deadline 0.005]

The simulation runs in a worker. What is late goes on there and is learned from
(``querist.Surrogate(deadline=...)``). How quick a machine is and what else it does decides the
result, so nothing is checked here.
"""

from __future__ import annotations

import argparse
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field

for _library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

import numpy as np  # noqa: E402
from gated import AUDIT, BEFORE, COVERAGE, FIRST, GAINS, TOLERANCE, beforehand  # noqa: E402
from plant import Course, Log, Twin, run  # noqa: E402
from predictive import Pid, plan  # noqa: E402
from reactor import CLEAN, Ageing, Floats  # noqa: E402

from querist import Batch, Surrogate  # noqa: E402
from querist.surrogate.errors import Late  # noqa: E402


def planned(c: float, t: float, aim: float, wall: float, activity: float) -> float:
    """The next input, in kelvin, by simulation."""
    return float(plan(*np.array([[c], [t], [aim]]), Ageing(wall, activity))[0])


@dataclass
class Clocked:
    """Keeps one plant, turn after turn of the clock.

    Attributes:
        surrogate: Of :func:`planned`.
        course: Of the plant.
        turn: Seconds of a turn.
        sources: Of the answers.
        took: Seconds of the calls.
        behind: Turns that began after their time, since the one before took too long.
    """

    surrogate: Surrogate
    course: Course
    turn: float
    sources: list[str] = field(default_factory=list)
    took: list[float] = field(default_factory=list)
    behind: int = 0

    def run(self) -> Log:
        """Through the whole course."""
        self._pid, self._next = Pid(*GAINS), time.perf_counter()
        return run(self.course, self._control)

    def _control(self, turn: int, seen: tuple[Floats, Floats], twin: Twin) -> Floats:
        self._next += self.turn
        left = self._next - time.perf_counter()
        self.behind += left < 0
        time.sleep(max(0.0, left))
        aim = self.course.aim[turn]
        call = {"c": seen[0], "t": seen[1], "aim": aim, "wall": twin.wall}
        began = time.perf_counter()
        answer = self.surrogate.ask(Batch.stack(**call, activity=twin.activity))
        self.took.append(time.perf_counter() - began)
        self.sources.append(str(answer.source[0]))
        by_pid = self._pid(seen[1], aim)
        if not len(answer.answered):
            return by_pid
        u = np.asarray(answer["result"], float)
        self._pid.follow(u, seen[1], aim)
        return u


def told(one: Clocked, log: Log, deadline: float) -> str:
    """What happened, in words."""
    sources, took = np.array(one.sources), 1e3 * np.array(one.took)
    lines = [f"{one.turn:.3g} s a turn, {len(sources)} turns, deadline {1e3 * deadline:.3g} ms"]
    for source in ("model", "simulation", "late"):
        own = took[sources == source]
        if len(own):
            median, most = np.median(own), np.quantile(own, 0.99)
            name = {"late": "late, so PID"}.get(source, source)
            lines.append(
                f"  {name}: {len(own) / len(took):.1%} of the calls, median {median:.2f} ms, "
                f"99 % within {most:.1f} ms, longest {own.max():.1f} ms"
            )
    share = [np.mean(part == "model") for part in np.array_split(sources, 10)]
    lines.append("  by the model, tenth by tenth: " + " ".join(f"{one:.0%}" for one in share))
    error = np.sqrt(np.mean((log.t - one.course.aim) ** 2))
    return "\n".join([*lines, f"  T - set-point {error:.2f} K; {one.behind} turns began late"])


def main() -> None:
    """Control, and tell."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--turns", type=int, default=1500)
    parser.add_argument("--turn", type=float, default=0.025, help="seconds")
    parser.add_argument("--deadline", type=float, default=0.005, help="seconds")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with Surrogate(
        planned,
        tolerance=TOLERANCE,
        coverage=COVERAGE,
        audit=AUDIT,
        first=FIRST,
        seed=given.seed,
        labels=beforehand(BEFORE, given.seed, told=True),
        engine="processes",
        deadline=given.deadline,
        on_alarm=lambda data: print("alarm:", data["wrong"], "of", data["audits"], "audits wrong"),
    ) as surrogate:
        with suppress(Late):
            surrogate(0.5, 350.0, 350.0, CLEAN, 1.0)  # late, but it says how labels are to be read,
        surrogate.wait()  # so that the plant starts with a model of them
        one = Clocked(surrogate, Course.of([given.seed], given.turns), given.turn)
        log = one.run()
        surrogate.wait()
        print(told(one, log, given.deadline))
        status = surrogate.status()
    print(
        f"  audits: {status['within']} of {status['audits']} within the tolerance; learned from "
        f"{status['learned_from']} simulations"
    )


if __name__ == "__main__":
    main()
