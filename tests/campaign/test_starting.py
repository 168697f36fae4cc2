"""What a campaign starts from, as facts and as a whole campaign."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from querist.campaign.campaign import Campaign
from querist.campaign.labels import LabelReader
from querist.campaign.settings import StartSettings
from querist.campaign.starting import imported_facts, starting_facts
from querist.core.answers import Dataset, Purpose
from querist.core.batch import Batch
from querist.core.errors import ConfigError
from querist.core.events import Fact, unpack_batch
from querist.sources.formats import write
from querist.store.errors import DamagedFile
from querist.store.run_folder import RunFolder


def parabola(*values: float, purposes=(), levels=()) -> Dataset:
    x = np.array(values, np.float64)[:, None]
    return Dataset(Batch.stack(x=x), Batch.stack(y=x[:, 0] ** 2), purposes, levels)


def saved(path: Path, dataset: Dataset) -> Path:
    write(path, dataset)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "run", {})


def rows(fact: Fact) -> list[float]:
    return unpack_batch(fact.arrays, "in/")["x"].ravel().tolist()


def test_a_fact_for_each_purpose_and_level() -> None:
    levels = ("a", "a", "b", "b", "a")
    purposes = ("train", "holdout", "train", "train", "train")
    facts = list(
        imported_facts(parabola(1, 2, 3, 4, 5, purposes=purposes, levels=levels), "f", 3.0)
    )
    said = [(f.data["purpose"], f.data["level"], f.data["count"], rows(f)) for f in facts]
    assert said == [
        ("train", "a", 2, [1, 5]),
        ("holdout", "a", 1, [2]),
        ("train", "b", 2, [3, 4]),
    ]
    assert {(f.kind, f.data["t"], f.data["origin"]) for f in facts} == {
        ("labels.imported", 3.0, "f")
    }
    assert unpack_batch(facts[2].arrays, "out/")["y"].tolist() == [9, 16]


def test_uris_are_kept() -> None:
    inputs = Batch(Batch.stack(x=[1.0, 2.0]).columns, uris=("s3://a", None))
    (fact,) = imported_facts(Dataset(inputs, Batch.stack(y=[1.0, 2.0])), "f")
    found = unpack_batch(fact.arrays, "in/")
    assert (found.uris, found.ids) == (inputs.uris, inputs.ids)


def test_nothing_gives_no_facts(folder: RunFolder) -> None:
    assert list(starting_facts(StartSettings(), folder)) == []


def test_labels_come_first_and_the_test_set_is_held_out(tmp_path: Path, folder) -> None:
    start = StartSettings(
        labels=(saved(tmp_path / "a.npz", parabola(1, 2)), saved(tmp_path / "b.npz", parabola(3))),
        test_set=saved(tmp_path / "t.npz", parabola(4, 5)),
    )
    facts = list(starting_facts(start, folder))
    said = [(f.data["origin"], f.data["purpose"], rows(f)) for f in facts]
    assert said == [
        ("a.npz", "train", [1, 2]),
        ("b.npz", "train", [3]),
        ("t.npz", "holdout", [4, 5]),
    ]


def test_samples_of_the_test_set_are_not_trained_on(tmp_path: Path, folder) -> None:
    labels = saved(tmp_path / "a.npz", parabola(1, 2, 3))
    test = saved(tmp_path / "t.npz", parabola(2, 3))
    first, second = starting_facts(StartSettings(labels=labels, test_set=test), folder)
    assert (rows(first), first.data["origin"]) == ([1], "a.npz (without 2 of the test set)")
    assert rows(second) == [2, 3]


def test_labels_that_are_all_in_the_test_set_leave_none(tmp_path: Path, folder) -> None:
    path = saved(tmp_path / "a.npz", parabola(1, 2))
    (only,) = starting_facts(StartSettings(labels=path, test_set=path), folder)
    assert (only.data["purpose"], only.data["count"]) == ("holdout", 2)


def test_charges_of_one_file_are_not_lost_to_another(tmp_path: Path, folder) -> None:
    def ion(charge: float | None) -> Dataset:
        extra = {} if charge is None else {"charge": [charge]}
        inputs = Batch.stack(numbers=[[1]], positions=np.zeros((1, 1, 3)), **extra)
        return Dataset(inputs, Batch.stack(energy=[1.0]))

    paths = tuple(saved(tmp_path / f"{c}.npz", ion(c)) for c in (None, 1.0))
    facts = list(starting_facts(StartSettings(labels=paths), folder))
    charges = [unpack_batch(fact.arrays, "in/")["charge"].tolist() for fact in facts]
    assert charges == [[0], [1]]


@pytest.mark.parametrize("field", ["labels", "test_set", "weights"])
def test_a_missing_file_is_named(tmp_path: Path, folder, field: str) -> None:
    start = StartSettings(**{field: tmp_path / "gone.npz"})
    with pytest.raises(ConfigError, match=r"gone\.npz of 'start' do(es)? not exist"):
        list(starting_facts(start, folder))


def test_weights_become_the_first_version(tmp_path: Path, folder) -> None:
    given = RunFolder.create(tmp_path / "other", {}).weights
    digest = given.save(7, "all", {"w": np.arange(3.0)}, {"kind": "k"})
    start = StartSettings(
        labels=saved(tmp_path / "a.npz", parabola(1, 2, purposes=("train", "holdout"))),
        weights=given.path(7, "all"),
    )
    *_, fact = starting_facts(start, folder)
    assert fact.kind == "model.published"
    assert (fact.data["version"], fact.data["dataset"], fact.data["train"]) == (1, 2, 1)
    kept = folder.weights.load(1, "given", fact.data["digest"])
    assert (kept.arrays["w"].tolist(), kept.digest) == ([0, 1, 2], digest)
    assert fact.data["files"] == [folder.weights.path(1, "given").name]


def test_weights_that_are_none_are_refused(tmp_path: Path, folder) -> None:
    (tmp_path / "w.safetensors").write_bytes(b"no weights at all, and long enough")
    with pytest.raises(DamagedFile, match=r"w\.safetensors"):
        list(starting_facts(StartSettings(weights=tmp_path / "w.safetensors"), folder))


# --------------------------------------------------------------------------------- whole campaigns


def campaign(**more) -> Campaign:
    return Campaign(
        engine="inline",
        generator={"use": "uniform", "options": {"low": [0.0], "high": [2.0]}},
        model={"use": "random_features", "options": {"members": 2, "features": 32}},
        slice={"steps": 3},
        oracle=lambda x: float(x[0] ** 2),
        output="y",
        **{"budget": {"labels": 10}, "initial": 5, **more},
    )


def test_a_campaign_starts_from_labels_and_a_test_set_without_charge(tmp_path: Path) -> None:
    start = {
        "labels": saved(tmp_path / "a.npz", parabola(*np.linspace(0.03, 1.93, 20))),
        "test_set": saved(tmp_path / "t.npz", parabola(*np.linspace(0.01, 1.99, 15))),
    }
    result = campaign(start=start, holdout=0.0).run(tmp_path / "run", progress=False)
    assert result.status == "finished"
    dataset = LabelReader(result.folder / "journal").all()
    assert len(dataset) == 20 + 15 + 10
    assert len(dataset.rows(Purpose.HOLDOUT)) == 15
    evaluated = [
        r for r in RunFolder(result.folder).journal_reader() if r.kind == "model.evaluated"
    ]
    assert {r.data["n"] for r in evaluated if r.data["on"] == "holdout"} == {15}


def test_a_campaign_starts_from_weights(tmp_path: Path) -> None:
    first = campaign(budget={"labels": 20}).run(tmp_path / "first", progress=False)
    weights = max((first.folder / "weights").glob("*.safetensors"))
    made = campaign(start={"weights": weights}, budget={"labels": 0}, final_fit=False)
    second = made.run(tmp_path / "second", progress=False)
    asked = Batch.stack(x=np.linspace(0.1, 1.9, 9)[:, None])
    means = [
        owner.model(folder).predict(asked).mean["y"]
        for owner, folder in ((campaign(), first.folder), (made, second.folder))
    ]
    np.testing.assert_array_equal(means[0], means[1])
