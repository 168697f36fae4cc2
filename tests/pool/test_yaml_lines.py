"""YAML with the lines of its values."""

from __future__ import annotations

from pathlib import Path

import pytest

from querist.core.errors import ConfigError
from querist.pool.yaml_lines import parse_yaml, read_yaml

TEXT = """\
# a comment
data:
  from: [a, b]
  classes:
    - cat
    - dog
budget: 3
"""


def test_every_value_has_its_line() -> None:
    found = parse_yaml(TEXT, "pool.yaml")
    assert found.value == {
        "data": {"from": ["a", "b"], "classes": ["cat", "dog"]},
        "budget": 3,
    }
    assert found.line(("budget",)) == 7
    assert found.line(("data", "from", 1)) == 3
    assert found.line(("data", "classes", 1)) == 6


def test_what_is_not_there_has_the_line_of_what_would_hold_it() -> None:
    found = parse_yaml(TEXT, "pool.yaml")
    assert found.line(("data", "labels", 0)) == 2
    assert found.line(("server", "use")) == 2  # the line where the mapping begins
    assert parse_yaml("", "pool.yaml").line(("data",)) == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: 1\nb: [1, 2\nc: 3\n", "line 3: not valid YAML"),
        ("a:\n\tb: 1\n", "with spaces, not with tabs"),
        ("a: b: c\n", "line 1: .*not in quotes"),
        ("a: 1\nb: 2\na: 3\n", "line 3: .*'a' stands in line 1 already"),
        ("a: !!python/object:os.system {}\n", "line 1: not valid YAML"),
        ("\0\1binary", "is not a text: it has the character #x0000"),
        ("a: 2024-99-99\n", "not valid YAML: month must be in"),
    ],
)
def test_errors_say_the_line(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        parse_yaml(text, "pool.yaml")


def test_a_file_that_cannot_be_read_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.yaml cannot be read: No such file"):
        read_yaml(tmp_path / "nothing.yaml")
    (tmp_path / "latin.yaml").write_bytes("a: é".encode("latin-1"))
    with pytest.raises(ConfigError, match="not a text file in UTF-8"):
        read_yaml(tmp_path / "latin.yaml")
