"""Labelling configurations."""

from __future__ import annotations

import pytest

from querist.core.errors import ConfigError
from querist.integrations.label_studio.form import Form, made_for, read


@pytest.mark.parametrize(
    ("task", "modality"),
    [
        ("classification", "image"),
        ("multi-label", "text"),
        ("detection", "image"),
        ("tokens", "text"),
        ("regression", "table"),
        ("free", "audio"),
    ],
)
def test_what_is_made_is_read(task: str, modality: str) -> None:
    names = ("cat", 'dog "big" <&>')
    found = read(made_for(task, modality, names), task)
    assert found[:3] == ("label", modality, modality)
    assert found.classes == (names if task not in ("regression", "free") else ())


def test_a_project_of_somebody_else_is_read() -> None:
    config = """<View><Header value="Look"/><!-- old --><Image name="pic" value="$photo_url"/>
      <TextArea name="why" toName="pic"/><Choices name="kind" toName="pic">
      <Choice value="a"/><Choice value="b"/></Choices></View>"""
    assert read(config, "classification") == Form("kind", "pic", "photo_url", ("a", "b"))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("<View><Image name='i' value='$i'/></View>", "no Choices tag"),
        ("<View>", "no XML"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><View/>', "declares types"),
    ],
)
def test_what_has_no_place_for_labels_is_refused(config: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read(config, "classification")


def test_classes_must_be_known() -> None:
    with pytest.raises(ConfigError, match="knows no classes"):
        made_for("classification", "image", ())
    with pytest.raises(ConfigError, match="vibration"):
        made_for("regression", "vibration", ())
