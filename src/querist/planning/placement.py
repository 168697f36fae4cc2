"""Where roles run (GPUs, cores of an answer, ranks that only generate), and how quick that is."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from querist.core.errors import ConfigError
from querist.engines.gpus import GpuShares
from querist.planning.behaviour import Behaviour, Scaled

EXPLORERS, TRAINERS = "explorers", "trainers"


@dataclass(frozen=True, slots=True)
class Placement:
    """Beyond how many workers there are of a role.

    Attributes:
        explorer_gpus, trainer_gpus: Of each worker.
        cores: Of one answer, by oracle; 1 where an oracle is not named.
        oracle_gpus: Of one answer, likewise; 0 otherwise.
        generators: Ranks that generate for each explorer, which then only predicts; 0 where each
            explorer does both.
    """

    explorer_gpus: float = 0.0
    trainer_gpus: float = 0.0
    cores: tuple[tuple[str, int], ...] = ()
    oracle_gpus: tuple[tuple[str, float], ...] = ()
    generators: int = 0

    def gpus(self, role: str) -> float:
        """Of each worker of explorers, trainers, or an oracle."""
        if role == EXPLORERS:
            return self.explorer_gpus
        return self.trainer_gpus if role == TRAINERS else dict(self.oracle_gpus).get(role, 0.0)

    def size(self, oracle: str) -> int:
        """Cores of one of its answers."""
        return dict(self.cores).get(oracle, 1)

    def with_cores(self, oracle: str, cores: int) -> Placement:
        """The same with other cores of an oracle's answers."""
        return replace(self, cores=tuple({**dict(self.cores), oracle: cores}.items()))

    def sentence(self) -> str:
        """What differs from one core each; "" if nothing does."""
        told = [
            f"{role} {gpus:g} GPU each"
            for role, gpus in ((EXPLORERS, self.explorer_gpus), (TRAINERS, self.trainer_gpus))
            if gpus
        ]
        told += [f"{count} cores an answer of {name}" for name, count in self.cores if count > 1]
        told += [f"{gpus:g} GPU an answer of {name}" for name, gpus in self.oracle_gpus if gpus]
        told += [f"{self.generators} ranks generate for each explorer"] * bool(self.generators)
        return ", ".join(told)


ONE_CORE = Placement()


@dataclass(frozen=True, slots=True)
class Effects:
    """What placement does to speed, relative to the run that was measured.

    A share of a GPU is taken to be that share of a whole one as fast, and never slower than a core;
    several GPUs of a worker as fast as one. Answers follow Amdahl's law. Ranks that generate and
    those that predict work side by side, and the slower ones set the pace.

    Attributes:
        measured: Of the run.
        gpu: How many times as fast a role is on a GPU as on a core, where that is known.
        serial: Share of an oracle's time that more cores do not shorten, where that is known.
        sources: Where it is known from, by the same names: "stated", or what was measured.
    """

    measured: Placement = ONE_CORE
    gpu: Mapping[str, float] = field(default_factory=dict)
    serial: Mapping[str, float] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)

    def speed(self, role: str, at: Placement) -> float:
        """Of a role's work on a GPU or not, relative to the run."""
        fast = self.gpu.get(role, 1.0)
        now, then = (
            max(1.0, fast * min(1.0, one.gpus(role))) if one.gpus(role) else 1.0
            for one in (at, self.measured)
        )
        return now / then

    def slowness(self, oracle: str, at: Placement) -> float:
        """Of an oracle's answers, relative to the run."""
        serial = self.serial.get(oracle)
        if serial is None:
            return 1.0
        now, then = (serial + (1 - serial) / one.size(oracle) for one in (at, self.measured))
        return now / then

    def exploring(self, at: Placement, predicting: float) -> float:
        """Steps of an explorer in a second, relative to the run.

        Args:
            at: The placement.
            predicting: Share of the run's exploring time that predicted.
        """
        if self.measured.generators:  # then what was measured is the pace of both
            return 1.0
        predict = predicting / self.speed(EXPLORERS, at)
        generate = 1.0 - predicting
        if at.generators:
            return 1.0 / max(predict, generate / at.generators, 1e-9)
        return 1.0 / max(predict + generate, 1e-9)

    def behaviour(self, known: Behaviour, at: Placement) -> Behaviour:
        """How tasks behave there."""
        train, explore = self.speed(TRAINERS, at), self.exploring(at, known.predicting)
        fits = replace(known.fits, fixed=known.fits.fixed / train, each=known.fits.each / train)
        labels = {
            name: Scaled(of, factor) if (factor := self.slowness(name, at)) != 1.0 else of
            for name, of in known.labels.items()
        }
        found = known.found if explore == 1.0 else Scaled(known.found, explore)
        proposed = known.proposed * explore
        return replace(known, labels=labels, fits=fits, found=found, proposed=proposed)


@dataclass(frozen=True, slots=True)
class Machine:
    """Nodes that are all alike.

    Attributes:
        nodes: How many.
        cores, gpus: Of each.
    """

    nodes: int
    cores: int
    gpus: int = 0

    def __post_init__(self) -> None:
        if self.nodes < 1 or self.cores < 1 or self.gpus < 0:
            raise ConfigError(f"a machine has nodes with cores; got {self}.")

    def packed(self, counts: Mapping[str, int], at: Placement) -> list[Counter[str]] | None:
        """Workers of each node by role: those that need most first, each where there is room first.

        Args:
            counts: Workers by role: "explorers", "generators", "trainers", oracles by name.
            at: What each needs. An answer's cores and GPUs are on one node.

        Returns:
            None where they do not fit.
        """
        free = [self.cores] * self.nodes
        gpus = [GpuShares(map(str, range(self.gpus))) for _ in free]
        made = [Counter[str]() for _ in free]
        need = {role: (at.gpus(role), at.size(role)) for role in counts}
        for role in sorted(counts, key=lambda name: need[name], reverse=True):
            share, cores = need[role]
            node = 0
            for _ in range(counts[role]):
                while node < self.nodes and not (
                    free[node] >= cores and (not share or gpus[node].take(share))
                ):
                    node += 1
                if node == self.nodes:
                    return None
                free[node] -= cores
                made[node][role] += 1
        return made


def serial_of(times: Mapping[int, float]) -> float | None:
    """The serial share by Amdahl's law, of mean seconds by number of cores; None of one number."""
    if len(times) < 2:
        return None
    few, many = min(times), max(times)
    # t = a + b / cores through both
    part = (times[few] - times[many]) / (1 / few - 1 / many)
    whole = times[few] - part / few + part
    return min(1.0, max(0.0, 1.0 - part / whole)) if whole > 0 and math.isfinite(whole) else None
