"""What people are asked for, and what they say as arrays."""

from __future__ import annotations

import json

import numpy as np
import pytest

from querist.core.answers import Failure, Label
from querist.core.batch import Batch, Sample
from querist.core.errors import ConfigError
from querist.oracles.human import Human, pixels_of

SAMPLE = Sample({"x": np.zeros(2)}, None, "s")
PETS = Human({"species": ["cat", "dog"], "weight": {"unit": "kg", "low": 0, "high": 100}})


def test_classes_become_numbers_and_numbers_arrays() -> None:
    label = PETS.read(SAMPLE, {"species": "dog", "weight": 12})
    assert isinstance(label, Label)
    assert {name: value.tolist() for name, value in label.outputs.items()} == {
        "species": 1,
        "weight": 12.0,
    }


def test_a_class_may_become_a_vector() -> None:
    human = Human({"y": {"classes": ["a", "b", "c"], "one_hot": True}})
    assert human.read(SAMPLE, {"y": "b"}).outputs["y"].tolist() == [0.0, 1.0, 0.0]


def test_arrays_have_the_declared_shape() -> None:
    human = Human({"force": [3]}, level="by hand")
    label = human.read(SAMPLE, {"force": [1, 2, 3]})
    assert (label.level, label.outputs["force"].tolist()) == ("by hand", [1.0, 2.0, 3.0])
    assert "shape (3,)" in human.read(SAMPLE, {"force": [1, 2]}).message


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"species": "cow", "weight": 1}, "one of cat, dog, got 'cow'"),
        ({"species": "cat", "weight": "heavy"}, "'weight' should be numbers"),
        ({"species": "cat", "weight": 101}, "between 0 and 100"),
        ({"species": "cat", "weight": float("nan")}, "between 0 and 100"),
        ({"species": "cat"}, "lacks ['weight']"),
        ({"colour": "red"}, "nobody asked for 'colour'"),
        ({}, "empty"),
    ],
)
def test_what_is_no_answer_is_told(said, words: str) -> None:
    found = PETS.read(SAMPLE, said)
    assert isinstance(found, Failure)
    assert words in found.message


def test_the_form_is_json() -> None:
    form = json.loads(json.dumps(Human({"e": []}, "How deep?", {"x": "image"}).form()))
    assert form == {
        "instructions": "How deep?",
        "show": {"x": "image"},
        "outputs": [{"name": "e", "title": "e", "classes": [], "shape": [], "unit": ""}],
    }


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"outputs": {}}, "name what people are asked for"),
        ({"outputs": {"y": {"colour": 1}}}, "outputs.y has 'colour'"),
        ({"outputs": {"y": 3}}, "outputs.y is 3"),
        ({"outputs": {"y": ["cat"]}}, "two different names"),
        ({"outputs": {"y": []}, "show": {"x": "film"}}, "show.x is one of auto, image"),
    ],
)
def test_what_cannot_be_asked_is_refused(options, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Human(**options)


def test_a_worker_cannot_ask_people() -> None:
    with pytest.raises(ConfigError, match="outside: 20"):
        PETS.answer(Batch.of([{"x": np.zeros(2)}]), None)


def test_what_a_page_shows_of_inputs() -> None:
    random = np.random.default_rng(0)
    inputs = {
        "photo": random.integers(0, 255, (3, 20, 30), dtype=np.uint8),
        "field": random.normal(size=(16, 20)),
        "positions": random.normal(size=(40, 3)),
        "words": np.array("a text"),
        "secret": np.zeros(2),
    }
    person = Human({"y": None}, show={"secret": "hidden", "positions": "image"})
    assert person.shown(Sample.of(inputs)) == {
        "photo": "image",
        "field": "image",
        "positions": "image",
        "words": "text",
        "secret": "hidden",
    }
    assert Human({"y": None}).shown(Sample.of(inputs))["positions"] == "numbers"


def test_pictures_of_inputs() -> None:
    photo = np.arange(3 * 8 * 9, dtype=np.uint8).reshape(3, 8, 9)
    colours = pixels_of(photo)
    assert colours is not None
    assert (colours[2, 3] == photo[:, 2, 3]).all()
    greys = pixels_of(np.array([[0.0, 1.0], [np.nan, 2.0]]))
    assert greys is not None
    assert greys.tolist() == [[0, 128], [0, 255]]
    assert pixels_of(np.full((2, 2), 7.0)).tolist() == [[0, 0], [0, 0]]
    assert pixels_of(np.zeros(5)) is None
    assert pixels_of(np.array(["a"])) is None
