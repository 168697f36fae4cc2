from __future__ import annotations

import numpy as np
import pytest

from querist.accounting import report_plots as plots


@pytest.mark.parametrize(
    ("seconds", "unit"), [(10, "s"), (179, "s"), (180, "min"), (7200, "h"), (2 * 86400, "d")]
)
def test_time_is_drawn_in_a_unit_that_suits(seconds: float, unit: str) -> None:
    assert plots.time_unit(seconds)[1] == unit


def test_workers_are_chosen_evenly_and_from_every_pool() -> None:
    rows = [{"pool": "a", "name": str(i)} for i in range(100)] + [{"pool": "b", "name": "x"}]
    chosen = plots.chosen_workers(rows, 10)
    assert [row["name"] for row in chosen if row["pool"] == "a"][0::9] == ["0", "99"]
    assert [row["name"] for row in chosen if row["pool"] == "b"] == ["x"]
    assert plots.chosen_workers(rows[:5], 10) == rows[:5]


def test_figures_without_data_are_empty() -> None:
    curve = {"train": [], "cost": [], "metrics": {}}
    assert plots.learning(curve, "y.mae", "train", "", "s") == ""
    assert plots.calibration({"points": [], "bins": []}, "") == ""
    assert plots.queue({"t": []}, 1.0) == ""
    assert plots.stacked("x", {"t": [0.0]}, 1.0, "labels") == ""
    assert plots.utilisation({}, 1.0) == ""
    assert plots.gantt([], 1.0) == ""


def test_a_calibration_of_zeros_cannot_be_drawn_on_logarithmic_axes() -> None:
    assert plots.calibration({"points": [[0, 0], [0, 1]], "bins": []}, "") == ""


def test_metrics_with_holes_zeros_and_negative_values_are_drawn() -> None:
    values = {"a": [None, 1.0, 2.0], "b": [0.0, 0.0, 0.0], "c": [-1.0, 100.0, 5.0]}
    curve = {"train": [1, 2, 3], "cost": [1, 2, 3], "metrics": values}
    for name in values:
        assert "<svg" in plots.learning(curve, name, "cost", "eV", "s")


def test_a_title_names_the_drawing_and_ids_are_its_own() -> None:
    svg = plots.themed(
        '<?xml?><svg viewBox="0 0 1 1"><g id="a"/><use href="#a"/></svg>', "n", "<T>"
    )
    assert 'id="n-a"' in svg
    assert 'href="#n-a"' in svg
    assert '<title id="n-title">&lt;T&gt;</title>' in svg


def test_many_pools_and_kinds_have_colours() -> None:
    kinds = {f"kind{i}": {"intervals": [[i, i + 1, 1]]} for i in range(9)}
    row = {"name": "w", "pool": "p", "share": None, "kinds": kinds}
    assert "kind8" in plots.gantt([row], 10.0)
    pool = {"share": 0.5, "utilisation": {"t": np.arange(200), "share": np.ones(200)}}
    assert "p11" in plots.utilisation({f"p{i}": pool for i in range(12)}, 200.0)
