"""Several annotators of a pool: how far they agree, what they dispute, and decisions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from querist.pool.errors import BadFilter
from querist.pool.opinions import accord, disputes
from querist.pool.pool import Pool


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    settings = {"classes": ["cat", "dog", "owl"], "agreement": "majority"}
    with Pool.create(tmp_path / "pool", settings) as made:
        made.add_items([{"id": f"t{n}", "text": f"pet {n}"} for n in range(6)])
        for by, said in {"ada": "ccdd", "bob": "ccdc", "eve": "cdd"}.items():
            names = {"c": "cat", "d": "dog"}
            made.label({f"t{n}": names[one] for n, one in enumerate(said)}, by)
        yield made


def test_a_decision_holds_until_it_is_withdrawn(pool: Pool) -> None:
    assert [one.item.id for one in disputes(pool)] == ["t1", "t3"]
    assert [one.opinions for one in disputes(pool)][1] == {"ada": "dog", "bob": "cat"}
    assert pool.item("t3").state == "disputed"
    pool.label({"t3": "owl", "t1": "dog"}, "judge", decides=True)
    assert (pool.item("t3").label, pool.item("t1").label) == ("owl", "dog")
    pool.label({"t1": "cat"}, "eve")
    pool.label({"t1": "owl"}, "late")
    assert pool.item("t1").label == "dog"
    assert list(disputes(pool)) == []
    pool.unlabel(["t3"], "judge")
    assert [one.item.id for one in disputes(pool)] == ["t3"]
    assert [one.kind for one in pool.history("t3")][-2:] == ["decide", "withdraw"]


def test_a_decision_is_exported_as_the_label(pool: Pool, tmp_path: Path) -> None:
    pool.label({"t1": "owl"}, "judge", decides=True)
    pool.label({"t1": "cat"}, "zoe")
    pool.export(tmp_path / "all.csv", "csv")
    line = next(x for x in (tmp_path / "all.csv").read_text().splitlines() if x.startswith("t1"))
    assert "owl" in line


def test_agreement_is_measured(pool: Pool) -> None:
    found = accord(pool)
    assert found.items == 4
    assert [(pair.one, pair.two, pair.items) for pair in found.pairs] == [
        ("ada", "eve", 3),
        ("bob", "eve", 3),
        ("ada", "bob", 4),
    ]
    assert found.agreement == pytest.approx(7 / 10)
    assert found.pairs[2].kappa == pytest.approx(0.5)
    assert found.alpha is not None
    assert 0 < found.alpha < 1


def test_nobody_agrees_or_disagrees_alone(tmp_path: Path) -> None:
    with Pool.create(tmp_path / "pool", {"task": "detection"}) as alone:
        alone.add_items([{"id": "a", "text": "one"}])
        box = {"class": "x", "box": [0, 0, 10, 10]}
        alone.label({"a": [box]}, "ada")
        assert accord(alone) == (0, None, None, [])
        alone.label({"a": [{**box, "box": [1, 0, 10, 10]}]}, "bob")
        assert alone.count("contested") == 1
        assert list(disputes(alone)) == []  # they nearly coincide
        assert accord(alone).agreement == 1.0


def test_items_are_found_by_who_said_what(pool: Pool) -> None:
    def ids(**where: object) -> list[str]:
        return [item.id for item in pool.items(where)]

    assert ids(said_by="eve") == ["t0", "t1", "t2"]
    assert ids(opinions=2) == ["t3"]
    assert ids(opinions={"<": 3, ">": 0}, **{"not": {"said_by": ["eve", "zoe"]}}) == ["t3"]
    pool.skip(["t3"], "bob")
    assert ids(opinions=1) == ["t3"]
    for wrong in ("two", {"~": 1}, {"<": 1.5}):
        with pytest.raises(BadFilter, match="opinions"):
            pool.items({"opinions": wrong})
