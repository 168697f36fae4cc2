"""The example of clusters: its known minima, its moves, and that its check can fail.

The searches run in the examples' stage of CI, not here.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from querist.core.answers import Dataset
from querist.core.batch import Batch

FOLDER = Path(__file__).parents[2] / "examples" / "clusters"
MODULES = (
    "lennard_jones",
    "problem",
    "drawing",
    "counting",
    "compare",
    "metal",
    "metal_check",
    "check",
)
GOLDEN = (1 + np.sqrt(5)) / 2


def icosahedron() -> np.ndarray:
    """Thirteen atoms."""
    shell = np.array([[0, a, b] for a in (-1, 1) for b in (-GOLDEN, GOLDEN)])
    return np.concatenate([np.zeros((1, 3)), *[np.roll(shell, k, axis=1) for k in range(3)]]) / 2


def truncated_octahedron() -> np.ndarray:
    """38 atoms of an fcc crystal of neighbours at distance 1."""
    ends = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3), -1).reshape(-1, 3)
    size = np.abs(ends).sum(axis=1)
    return ends[(size % 2 == 1) & (size <= 3) & (np.abs(ends).max(axis=1) <= 2)] / np.sqrt(2)


@pytest.mark.parametrize(("atoms", "shape"), [(13, icosahedron), (38, truncated_octahedron)])
def test_known_minima_have_the_energies_of_the_literature(example, atoms: int, shape) -> None:
    lj = example.lennard_jones
    start = shape() * lj.DISTANCE
    assert len(start) == atoms
    energy, positions, calls = lj.relaxed(start)
    assert energy == pytest.approx(lj.MINIMA[atoms], abs=1e-5)
    assert np.abs(lj.energy_and_forces(positions)[1]).max() < 1e-5
    assert 3 < calls < 200


def test_what_makes_no_sense_is_not_asked(example) -> None:
    good = icosahedron() * 1.1
    near, lost = good.copy(), good.copy()
    near[1] = near[2] + 0.3
    lost[1] += 5.0
    batch = Batch.stack(positions=np.stack([good, near, lost]))
    assert example.problem.sensible(batch).tolist() == [True, False, False]


def labels(example, positions) -> Dataset:
    numbers = np.full(len(positions), example.lennard_jones.ARGON)
    energy, forces = example.lennard_jones.energy_and_forces(positions)
    inputs = Batch.of([{"numbers": numbers, "positions": positions}])
    return Dataset(inputs, Batch.of([{"energy": energy, "forces": forces}]))


def test_the_check_fails_where_another_minimum_was_found(example) -> None:
    good = icosahedron() * example.lennard_jones.DISTANCE
    stray = good.copy()
    stray[-1] = 1.8 * stray[1]
    rows, more = example.check.minimum_rows(labels(example, good), [13])
    assert rows[0].holds
    assert more["found"]["LJ13"][1] == pytest.approx(example.lennard_jones.MINIMA[13], abs=1e-5)
    rows, _ = example.check.minimum_rows(labels(example, stray), [13])
    assert not rows[0].holds
    assert example.check.missing(labels(example, stray), [13]) == [13]
    nothing = Dataset(Batch({}), Batch({}))
    assert example.check.missing(nothing, [13, 19]) == [13, 19]


def test_the_counting_oracle_notices_the_minimum_and_counts_its_calls(example) -> None:
    counter = example.counting.begin(13)
    _, good, _ = example.lennard_jones.relaxed(icosahedron() * example.lennard_jones.DISTANCE)
    good = 1.001 * good
    example.counting.ask(good * 1.3)
    assert (counter.calls, counter.found) == (1, False)
    example.counting.ask(good)
    assert counter.found
    assert counter.calls > 3


def test_metal_campaigns_differ_in_what_learns_of_failures_alone(example) -> None:
    wary, plain = (example.metal_check.campaign(avoids, 5, 9).settings for avoids in (True, False))
    assert wary.model.use == "avoiding"
    assert plain.model.options == wary.model.options["options"]
    assert plain.generators == wary.generators
    assert plain.generators[0].options["options"] == {"atoms": 5}
    one, other = (next(example.metal.looked_at(5, seed=3)) for _ in range(2))
    assert one == other
    assert example.metal.sensible(Batch.from_samples([one])).all()


def test_calls_that_failed_are_counted_with_their_seconds(example) -> None:
    calls = example.metal_check.Calls(np.array([True, False, True, False]), np.arange(4.0))
    assert (calls.share, calls.wasted) == (0.5, 2.0)
    assert calls.told() == "2 of 4 (50%, 2 s)"


def test_searches_that_found_nothing_count_as_infinite(example) -> None:
    rows = [{"calls": n, "found": n < 30} for n in (10, 20, 25, 40)]
    told = example.compare.summary(rows)
    assert (told["found"], told["of"], told["q75"]) == (3, 4, 25.0)
    assert example.compare.summary(rows[-1:])["median"] is None
