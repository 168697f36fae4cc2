"""Datasets: versions and purposes of labels, fixed when they are recorded."""

from __future__ import annotations

import numpy as np
import pytest

from querist.core.answers import Dataset, Failure, Purpose, Reason
from querist.core.batch import Batch
from querist.core.errors import ShapeError

PURPOSES = ("train", "holdout", "train", "calibration")


def dataset() -> Dataset:
    inputs, outputs = Batch.stack(x=np.arange(4)), Batch.stack(y=np.arange(4) * 10)
    return Dataset(inputs, outputs, PURPOSES, ("a", "a", "b", "b"))


def test_rows_by_purpose() -> None:
    data = dataset()
    assert data.rows(Purpose.TRAIN).tolist() == [0, 2]
    assert data.rows(Purpose.HOLDOUT, Purpose.CALIBRATION).tolist() == [1, 3]
    assert data.rows(Purpose.AUDIT).tolist() == []
    assert data.rows(Purpose.AUDIT).dtype == np.int64


def test_a_part_keeps_the_version_it_was_cut_from() -> None:
    part = dataset().only(Purpose.TRAIN)
    assert (len(part), part.version) == (2, 4)
    assert part.outputs["y"].tolist() == [0, 20]
    assert (part.purposes, part.levels) == (("train", "train"), ("a", "b"))
    assert len(dataset().only(Purpose.AUDIT)) == 0


def test_labels_are_for_training_unless_said_otherwise() -> None:
    plain = Dataset(Batch.stack(x=[1]), Batch.stack(y=[2]))
    assert (plain.purposes, plain.levels, plain.version) == (("train",), ("",), 1)
    assert len(Dataset(Batch({}), Batch({}))) == 0


def test_what_does_not_belong_together_is_refused() -> None:
    with pytest.raises(ShapeError, match="2 inputs, 1 outputs"):
        Dataset(Batch.stack(x=[1, 2]), Batch.stack(y=[1]))


def test_reasons_read_as_sentences() -> None:
    assert f"the oracle {Failure(Reason.TIMEOUT, '').reason.value}" == (
        "the oracle exceeded its time limit"
    )
    assert len(set(Reason)) == len(list(Reason))
