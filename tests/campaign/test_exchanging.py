"""Joining and splitting files, adding them to runs, and getting labels out again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from querist.campaign.campaign import Campaign, append_facts
from querist.campaign.exchanging import (
    Split,
    export_from,
    gather,
    import_into,
    import_to,
)
from querist.campaign.labels import LabelReader
from querist.campaign.starting import imported_facts
from querist.cli import main
from querist.core.answers import Dataset, Purpose
from querist.core.batch import Batch
from querist.core.errors import ConfigError
from querist.sources.formats import read, write
from querist.store.errors import RunLocked
from querist.store.run_folder import RunFolder


def table(*values: float, purpose: str = "train", level: str = "") -> Dataset:
    x = np.array(values, np.float64)
    purposes, levels = (purpose,) * len(x), (level,) * len(x)
    return Dataset(Batch.stack(x=x), Batch.stack(y=x**2), purposes, levels)


def atoms(count: int, **extra) -> Dataset:
    positions = np.arange(count * 3.0).reshape(count, 1, 3)
    inputs = Batch.stack(numbers=np.ones((count, 1), int), positions=positions, **extra)
    return Dataset(inputs, Batch.stack(energy=np.arange(float(count))))


def saved(path: Path, dataset: Dataset) -> Path:
    write(path, dataset)
    return path


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with two labels, one of them held out, that stopped at 12.5 seconds."""
    folder = RunFolder.create(tmp_path / "run", {})
    held = Dataset(Batch.stack(x=[1.0, 2.0]), Batch.stack(y=[1.0, 4.0]), ("train", "holdout"))
    with folder.lock():
        append_facts(folder, imported_facts(held, "first", 12.5))
    return tmp_path / "run"


def labels_of(run: Path) -> Dataset:
    return LabelReader(RunFolder(run).journal).all()


# ------------------------------------------------------------------------------ joining, drawing


def test_files_are_joined_in_order(tmp_path: Path) -> None:
    first = saved(tmp_path / "a.npz", table(1, 2, level="PBE"))
    second = saved(tmp_path / "b.npz", table(3, purpose="audit"))
    found = gather([first, second], level="HF")
    assert found.inputs["x"].tolist() == [1, 2, 3]
    assert found.purposes == ("train", "train", "audit")
    assert found.levels == ("PBE", "PBE", "HF")


def test_shares_are_drawn_and_reproducible(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.npz", table(*range(100)))
    split = Split(holdout=0.2, calibration=0.1, seed=3)
    found = gather([path], split)
    counts = [len(found.rows(p)) for p in (Purpose.TRAIN, Purpose.HOLDOUT, Purpose.CALIBRATION)]
    assert counts == [70, 20, 10]
    assert gather([path], split).purposes == found.purposes
    assert gather([path], replace(split, seed=4)).purposes != found.purposes


def test_what_a_file_holds_out_stays_held_out(tmp_path: Path) -> None:
    first = saved(tmp_path / "a.npz", table(*range(50), purpose="holdout"))
    second = saved(tmp_path / "b.npz", table(*range(50, 100)))
    found = gather([first, second], Split(calibration=0.5))
    assert found.purposes[:50] == ("holdout",) * 50
    assert len(found.rows(Purpose.CALIBRATION)) == 25


def test_labels_of_one_sample_have_one_purpose(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.npz", table(*[1, 2, 3, 4] * 10))
    found = gather([path], Split(holdout=0.5))
    by_sample = {(x, p) for x, p in zip(found.inputs["x"].tolist(), found.purposes, strict=True)}
    assert len(by_sample) == 4
    assert len(found.rows(Purpose.HOLDOUT)) == 20


@pytest.mark.parametrize("shares", [(-0.1, 0), (0, -0.1), (0.7, 0.4)])
def test_shares_that_make_no_sense_are_refused(shares) -> None:
    with pytest.raises(ConfigError, match="within 0 and 1"):
        Split(*shares)


def test_a_missing_source_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.npz does not exist"):
        gather([tmp_path / "gone.npz"])


def test_files_of_different_fields_are_named(tmp_path: Path) -> None:
    first = saved(tmp_path / "a.npz", table(1))
    second = saved(tmp_path / "b.npz", Dataset(Batch.stack(x=[1.0]), Batch.stack(z=[1.0])))
    with pytest.raises(ConfigError, match=r"a\.npz has the outputs \['y'\], but .*b\.npz has"):
        gather([first, second])


def test_charges_are_filled_where_a_file_has_none(tmp_path: Path) -> None:
    first = saved(tmp_path / "a.npz", atoms(2))
    second = saved(tmp_path / "b.npz", atoms(1, charge=[-1.0]))
    assert gather([first, second]).inputs["charge"].tolist() == [0, 0, -1]


def test_import_writes_one_file(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.npz", table(*range(10)))
    said = import_to(tmp_path / "b.npz", [path], split=Split(0.2), level="PBE")
    assert said == f"10 labels (8 train, 2 holdout) written to {tmp_path / 'b.npz'}"
    found = read(tmp_path / "b.npz")
    assert (len(found.rows(Purpose.HOLDOUT)), found.levels[0]) == (2, "PBE")


# ----------------------------------------------------------------------------- into and from runs


def test_labels_are_added_to_a_run(tmp_path: Path, run: Path) -> None:
    said = import_into(run, [saved(tmp_path / "a.npz", table(3, 4, level="PBE"))])
    assert said == f"2 labels (2 train) added to {run}; continue with: querist resume {run}"
    found = labels_of(run)
    assert found.inputs["x"].tolist() == [1, 2, 3, 4]
    assert found.outputs["y"].tolist() == [1, 4, 9, 16]
    assert found.levels == ("", "", "PBE", "PBE")
    fact = list(RunFolder(run).journal_reader())[-1]
    assert fact.kind == "labels.imported"
    assert dict(fact.data) == {
        "t": 12.5,
        "count": 2,
        "origin": "a.npz",
        "level": "PBE",
        "purpose": "train",
    }


def test_what_a_run_has_is_not_added_again(tmp_path: Path, run: Path) -> None:
    path = saved(tmp_path / "a.npz", table(2, 3))
    assert "(1 passed over" in import_into(run, [path])
    assert "(2 passed over" in import_into(run, [path])
    found = labels_of(run)
    assert found.inputs["x"].tolist() == [1, 2, 3]
    assert found.purposes == ("train", "holdout", "train"), "held-out samples must stay so"


def test_a_running_run_takes_nothing(tmp_path: Path, run: Path) -> None:
    path = saved(tmp_path / "a.npz", table(3))
    with RunFolder(run).lock(), pytest.raises(RunLocked):
        import_into(run, [path])
    assert len(labels_of(run)) == 2


@pytest.mark.parametrize(
    "other",
    [
        Dataset(Batch.stack(x=[3.0], w=[1.0]), Batch.stack(y=[1.0])),
        Dataset(Batch.stack(w=[3.0]), Batch.stack(y=[1.0])),
        Dataset(Batch.stack(x=[3.0]), Batch.stack(z=[1.0])),
    ],
)
def test_labels_that_would_lose_fields_of_the_run_are_refused(tmp_path, run, other) -> None:
    with pytest.raises(ConfigError, match="do not belong together because of"):
        import_into(run, [saved(tmp_path / "a.npz", other)])
    assert set(labels_of(run).outputs.columns) == {"y"}


def test_optional_fields_of_atoms_follow_the_run(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", {})
    with folder.lock():
        append_facts(folder, imported_facts(atoms(1), "first"))
    same = saved(tmp_path / "same.npz", atoms(3, charge=[0.0, 0, 0]))
    assert "1 passed over" in import_into(tmp_path / "run", [same])
    ion = saved(tmp_path / "ion.npz", atoms(3, charge=[0.0, 0, 1]))
    with pytest.raises(ConfigError, match=r"because of \['charge'\]"):
        import_into(tmp_path / "run", [ion])
    assert len(labels_of(tmp_path / "run")) == 3


def test_export_writes_what_is_asked(tmp_path: Path, run: Path) -> None:
    said = export_from(run, tmp_path / "a.npz")
    assert said == f"2 labels (1 train, 1 holdout) written to {tmp_path / 'a.npz'}"
    assert read(tmp_path / "a.npz").purposes == ("train", "holdout")
    export_from(run, tmp_path / "b.npz", None, "holdout")
    assert read(tmp_path / "b.npz").inputs["x"].tolist() == [2]
    with pytest.raises(ConfigError, match="no label to write"):
        export_from(run, tmp_path / "c.npz", None, "audit")


def test_what_is_exported_imports_into_an_empty_run(tmp_path: Path, run: Path) -> None:
    RunFolder.create(tmp_path / "other", {})
    export_from(run, tmp_path / "a.npz")
    import_into(tmp_path / "other", [tmp_path / "a.npz"])
    found, wanted = labels_of(tmp_path / "other"), labels_of(run)
    assert found.inputs.ids == wanted.inputs.ids
    assert found.purposes == wanted.purposes


# ------------------------------------------------------------------------------- the command line


def command(*words: object):
    return CliRunner().invoke(main, [str(word) for word in words])


def test_the_command_line_imports_and_exports(tmp_path: Path, run: Path) -> None:
    source = tmp_path / "a.npz"
    np.savez(source, feature=np.arange(3.0, 13), target=np.arange(10.0))
    output = tmp_path / "b.npz"
    names = ("--inputs", "x=feature", "--labels", "y=target")
    done = command("import", source, "-o", output, "--holdout", "0.3", *names)
    assert done.exit_code == 0, done.output
    assert "10 labels (7 train, 3 holdout)" in done.output
    done = command("import", output, "--into", run)
    assert done.exit_code == 0, done.output
    done = command("export", run, tmp_path / "c.npz", "--purpose", "holdout")
    assert "4 labels (4 holdout)" in done.output


def test_the_command_line_converts_units(tmp_path: Path) -> None:
    source, output = saved(tmp_path / "a.npz", atoms(3)), tmp_path / "b.npz"
    done = command("import", source, "-o", output, "--energy-unit", "meV", "--length-unit", "nm")
    assert done.exit_code == 0, done.output
    np.testing.assert_allclose(read(output).outputs["energy"], [0, 1e-3, 2e-3])
    np.testing.assert_allclose(read(output).inputs["positions"][0, 0], [0, 10, 20])


def test_the_command_line_says_errors_in_a_sentence(tmp_path: Path) -> None:
    done = command("import", tmp_path / "gone.npz", "-o", tmp_path / "b.npz")
    assert done.exit_code == 2
    assert "gone.npz does not exist" in done.output
    assert "Traceback" not in done.output
    source = saved(tmp_path / "a.npz", table(1))
    assert "either --output FILE or --into RUN" in command("import", source).output
    done = command("import", source, "-o", tmp_path / "b.npz", "--holdout", "2")
    assert "within 0 and 1" in done.output


# --------------------------------------------------------------------------------- whole campaigns


def campaign(**more) -> Campaign:
    return Campaign(
        engine="inline",
        generator={"use": "uniform", "options": {"low": [0.0], "high": [2.0]}},
        model={"use": "random_features", "options": {"members": 2, "features": 32}},
        slice={"steps": 3},
        oracle=lambda x: float(x[0] ** 2),
        output="y",
        **{"budget": {"labels": 25}, "initial": 10, **more},
    )


def test_a_stopped_run_goes_on_with_imported_labels(tmp_path: Path) -> None:
    made = campaign()
    made.run(tmp_path / "run", progress=False)
    x = np.linspace(0.05, 1.95, 30)[:, None]
    extra = Dataset(Batch.stack(x=x), Batch.stack(y=x[:, 0] ** 2))
    import_into(tmp_path / "run", [saved(tmp_path / "a.npz", extra)])
    made.settings = made.settings.model_copy(
        update={"budget": made.settings.budget.model_copy(update={"labels": 30})}
    )
    result = made.resume(tmp_path / "run", progress=False)
    assert result.status == "finished"
    assert len(result.dataset()) == 30 + 30, "imported labels must not be charged"
    export_from(result.folder, tmp_path / "all.npz")
    assert len(read(tmp_path / "all.npz")) == 60
