"""The dataset that a journal tells, while it grows."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from journals import Scribe, asked, failed, labelled, sample

from querist.campaign.labels import LabelReader
from querist.campaign.starting import imported_facts
from querist.core.answers import Dataset
from querist.core.batch import Batch
from querist.core.errors import RunError
from querist.store.run_folder import RunFolder


@pytest.fixture
def scribe(folder: RunFolder) -> Scribe:
    return Scribe(folder)


@pytest.fixture
def reader(folder: RunFolder) -> LabelReader:
    return LabelReader(folder.journal)


def test_versions_are_prefixes_in_the_order_of_the_answers(scribe, reader) -> None:
    scribe.ask(1, 2, 3)
    scribe.write(labelled(3), labelled(1, "holdout"), labelled(2))
    assert reader.read() == len(reader) == 3
    for version in (1, 2, 3, 2):
        dataset = reader.at(version)
        assert dataset.version == version
        assert dataset.inputs["x"].ravel().tolist() == [3.0, 1.0, 2.0][:version]
        assert dataset.outputs["y"].tolist() == [9.0, 1.0, 4.0][:version]
        assert dataset.purposes == ("train", "holdout", "train")[:version]
        assert dataset.levels == ("exact",) * version
        assert dataset.inputs.ids == tuple(sample(n).id for n in (3, 1, 2))[:version]


def test_it_follows_a_journal_that_grows(scribe, reader) -> None:
    assert len(reader.all()) == 0
    scribe.label(1, 2)
    assert len(reader.all()) == 2
    scribe.ask(3)
    assert len(reader.all()) == 2
    scribe.write(labelled(3))
    dataset = reader.all()
    assert dataset.inputs["x"].ravel().tolist() == [1.0, 2.0, 3.0]
    assert reader.at(1).inputs["x"].ravel().tolist() == [1.0]


def test_failures_and_abstentions_are_no_labels(scribe, reader) -> None:
    scribe.ask(1, 2, 3)
    abstained = ("answer.abstention", {"question": asked(3)[1]["question"], "message": ""}, {})
    scribe.write(failed(1, False), failed(2, True), abstained, labelled(1))
    assert reader.all().inputs["x"].ravel().tolist() == [1.0]
    assert not reader._samples


def test_what_failed_belongs_to_the_labels_that_came_after_it(scribe, reader) -> None:
    scribe.ask(1, 2, 3, 4, 5)
    lost = failed(4, True, reason="lost its worker")
    scribe.write(failed(2, True), labelled(1), failed(3, False), lost, failed(3, True), labelled(5))
    reader.read()
    found = [reader.failed(version) for version in (0, 1, 2)]
    assert [len(one) for one in found] == [0, 1, 2]
    assert found[2]["x"].ravel().tolist() == [2.0, 3.0]
    assert found[2].ids == (sample(2).id, sample(3).id)


def test_imported_labels_stand_where_they_were_imported(scribe, reader) -> None:
    scribe.label(1)
    given = Dataset(
        Batch.stack(x=[[5.0], [6.0]]), Batch.stack(y=[25.0, 36.0]), ("holdout",) * 2, ("hf",) * 2
    )
    scribe.write(*((f.kind, f.data, f.arrays) for f in imported_facts(given, "labels.npz")))
    scribe.label(2)
    dataset = reader.all()
    assert dataset.inputs["x"].ravel().tolist() == [1.0, 5.0, 6.0, 2.0]
    assert dataset.purposes == ("train", "holdout", "holdout", "train")
    assert dataset.levels == ("exact", "hf", "hf", "exact")
    assert dataset.inputs.ids[1] == sample(5).id


def test_only_fields_that_all_labels_have_are_given(scribe, reader) -> None:
    scribe.label(1, y=1.0, stress=np.eye(3))
    scribe.label(2, y=4.0)
    scribe.label(3, y=9.0, stress=np.eye(3))
    assert set(reader.all().outputs.columns) == {"y"}
    assert reader.at(1).outputs["stress"].shape == (1, 3, 3)
    scribe.label(4, z=1.0)
    with pytest.raises(RunError, match="labels of this run have no output in common"):
        reader.all()


def test_labels_of_different_shapes_stay_apart(scribe, reader) -> None:
    scribe.label(1, y=np.ones((2, 3)))
    scribe.label(2, y=np.ones((5, 3)))
    assert [item.shape for item in reader.all().outputs.columns["y"].items()] == [(2, 3), (5, 3)]


def test_samples_of_other_places_keep_their_address(scribe, reader) -> None:
    kind, data, _ = asked(1)
    scribe.write((kind, {**data, "uri": "s3://box/1.png"}, {}), labelled(1))
    scribe.label(2, y=4.0)
    with pytest.raises(RunError, match="samples of this run differ in their fields"):
        reader.all()
    assert reader.at(1).inputs.uris == ("s3://box/1.png",)


def test_a_version_that_is_not_there_yet_is_awaited(scribe, reader) -> None:
    scribe.label(1)
    later = threading.Timer(0.15, scribe.label, (2,))
    later.start()
    assert len(reader.at(2, wait_s=20)) == 2
    later.join()
    with pytest.raises(RunError, match=r"shows 2 labels, but version 3 .* file system"):
        reader.at(3, wait_s=0.01)
