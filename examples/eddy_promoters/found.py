"""What a campaign found: optimum, Pareto front and fields, each asked of the oracle again."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import foam
import numpy as np
from drawing import Front, draw_fields, front
from lattice import Floats
from network import learned, predicted
from problem import HIGH, LOW, PRICE, merit, simulate, worth
from swarm import Swarm
from wanted import worths

from querist.core.answers import Dataset
from querist.core.batch import Batch
from querist.core.errors import MissingExtra
from querist.core.roles import Model
from querist.store.reader import read_journal
from querist.testing.checks import Row

NAMES = ("largest error of ln(f/f0)", "largest error of St/St0")


@dataclass(frozen=True, slots=True)
class Found:
    """The design of most worth.

    Attributes:
        design: As in ``problem.py``.
        said: Its worth by the committee.
        worth: By the oracle.
        label: Worth of the best label of the campaign.
        merit: Heat transfer at equal pumping power, by the oracle.
        gains: ``ln(f/f0)`` and ``St/St0``, by the oracle.
        fields: ``(3, rows, columns)`` by the oracle.
    """

    design: tuple[float, ...]
    said: float
    worth: float
    label: float
    merit: float
    gains: tuple[float, float]
    fields: Floats

    @property
    def count(self) -> int:
        """Of promoters."""
        return round(self.design[0])

    def told(self) -> dict[str, Any]:
        """Its numbers."""
        return {name: value for name, value in asdict(self).items() if name != "fields"}


def said_gains(model: Model, designs: Floats) -> tuple[Floats, Floats]:
    """Gains ``(n, 2)`` by the committee, and their standard deviations."""
    said = model.predict(Batch.stack(x=designs))
    return np.asarray(said.mean["gains"], np.float64), np.asarray(said.std["gains"], np.float64)


def searched(model: Model, price: float, rounds: int = 60) -> tuple[Floats, float]:
    """The design of most worth by the committee, by a swarm on it alone, and that worth."""
    swarm = Swarm(LOW, HIGH, 40, (0,), seed=7)
    best, most = np.empty(0), -np.inf
    for _ in range(rounds):
        points = swarm.ask()
        values = worths(said_gains(model, points)[0], price)
        if values.max() > most:
            best, most = points[values.argmax()], float(values.max())
        swarm.tell(points, -values)
    return best, most


def best_of(model: Model, data: Dataset, nodes: int) -> Found:
    """The optimum of the committee, asked of the oracle."""
    design, said = searched(model, PRICE)
    true = simulate(design, nodes)
    return Found(
        tuple(float(value) for value in design),
        said,
        worth(true),
        float(worths(data.outputs["gains"], PRICE).max()),
        merit(true),
        (float(true["gains"][0]), float(true["gains"][1])),
        np.asarray(true["fields"], np.float64),
    )


def many_designs() -> Floats:
    """``(n, 4)`` designs all over the box, its faces included."""
    parts = [np.linspace(LOW[i], HIGH[i], n) for i, n in enumerate((4, 11, 11, 6))]
    return np.stack([part.ravel() for part in np.meshgrid(*parts)], axis=1)


def pareto(model: Model, data: Dataset, nodes: int) -> tuple[Front, list[Row]]:
    """The front by the committee over many designs, and five of it by the oracle; rows."""
    many = many_designs()
    mean, std = said_gains(model, many)
    on = front(np.exp(mean[:, 0]), mean[:, 1])
    five = on[np.linspace(0, len(on) - 1, 5).round().astype(int)]
    true = np.array([simulate(many[row], nodes)["gains"] for row in five])
    checked = np.hstack([mean[five], true])
    off = np.median(np.abs(true - mean[five]), axis=0)  # its cheap end is asked little
    rows = [
        Row(f"five of the front: median error of {name}", f"< {most:g}", f"{got:.3f}", got < most)
        for name, got, most in zip(
            ("ln(f/f0)", "St/St0"), off.tolist(), (2.4 / nodes, 1.2 / nodes), strict=True
        )
    ]
    return Front(np.asarray(data.outputs["gains"]), mean[on], std[on], checked), rows


def examine_fields(
    data: Dataset, grid: dict[str, Any], best: Found, size: Any, path: Path
) -> list[Row]:
    """The convolutional network on the grid's designs, which it did not learn from."""
    try:
        model = learned(data, size.nodes, size.epochs, size.members, size.width)
    except MissingExtra as error:
        print(error)
        return []
    said, _ = predicted(model, grid["x"], size.nodes)
    true = np.asarray(grid["fields"], np.float64)
    mean = np.asarray(data.outputs["fields"], np.float64).mean(axis=0)
    rows = []
    for number, name in enumerate(("velocity along, U", "velocity across, U", "temperature")):
        error, plain = (
            float(np.sqrt(np.mean((true[:, number] - guess) ** 2)))
            for guess in (said[:, number], mean[number])
        )
        rows.append(
            Row(
                f"fields of the grid: {name}, rms error",
                f"< {size.share:.0%} of the mean field's {plain:.3f}",
                f"{error:.3f}",
                error < size.share * plain,
            )
        )
    own, doubt = predicted(model, np.array([best.design]), size.nodes)
    draw_fields(best.design, best.fields, own[0], doubt[0], path)
    return rows


def second_opinion(best: Found, nodes: int, folder: Path) -> list[Row]:
    """The optimum by OpenFOAM, with its own empty channel; no rows where it is not installed."""
    if sentence := foam.missing():
        print(sentence)
        return []
    empty, own = (
        foam.simulate(design, folder / name)
        for name, design in (("empty", None), ("optimum", best.design))
    )
    logs = math.log(own["drag"] / empty["drag"]), best.gains[0]
    heat = own["stanton"] / empty["stanton"], best.gains[1]
    return [
        Row(f"optimum by OpenFOAM, {name}", f"{a:.3f} ± {off:.2g}", f"{b:.3f}", abs(a - b) < off)
        for name, (b, a), off in (("ln(f/f0)", logs, 1.92 / nodes), ("St/St0", heat, 0.03))
    ]


def counted(run: Path) -> int:
    """Designs that the committee was asked for."""
    facts = read_journal(run / "journal")
    return sum(int(fact.data["proposed"]) for fact in facts if fact.kind == "explored")
