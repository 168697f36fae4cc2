"""``querist strategies``."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from querist.cli import main
from querist.strategies import listing, registry


def run(*arguments: str) -> str:
    result = CliRunner().invoke(main, ["strategies", *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_table_lists_all() -> None:
    text = run()
    assert all(name in text for name in registry.names())


def test_a_family() -> None:
    text = run("--family", "uncertainty")
    assert "margin" in text
    assert "bald" not in text


def test_everything_of_one() -> None:
    text = run("bald")
    assert "Houlsby" in text
    assert "member_probabilities" in text


def test_choosers_and_streams_are_told_of() -> None:
    assert "Hsu & Lin" in run("albl")
    assert "hold-out" in run("auto")
    assert "within a budget" in run("--family", "stream")


# Every strategy that the page of the zoo promises, by the name that people look for.
PROMISED = """least-confidence margin ratio entropy vote-entropy consensus-kl variation-ratios
mean-std bald batchbald epig k-center core-set robust-k-center k-means k-means++ d2 typiclust
probcover maxherding badge dbal cluster-margin information-density clue ceal
expected-gradient-length adversarial-bim deepfool gsx gsy igs qbc-variance max-diag
max-det max-dist bait lcmd bmdal ei pi ucb thompson kriging-believer local-penalisation
qlogei random sub-sampled cost-aware learned-cost class-balanced multi-label
density-weighted cold-start temperature auto albl stream density-stream cognitive-stream
quantile-stream mcpal
epistemic expected-error-reduction quire discriminative"""


@pytest.mark.parametrize("name", PROMISED.split())
def test_what_is_promised_is_there_with_paper_cost_and_use(name: str) -> None:
    told = listing.as_record(listing.found(name))
    assert all(len(told[key]) > 5 for key in ("paper", "cost", "use")), told
    assert any(year in told["paper"] for year in map(str, range(1933, 2027)))


def test_json() -> None:
    records = [json.loads(line) for line in run("--json").splitlines()]
    modifiers = [one.name for one in registry.modifiers()]
    beside = ["auto", "albl", "stream", "density-stream", "cognitive-stream", "quantile-stream"]
    assert [record["name"] for record in records] == [*registry.names(), *modifiers, *beside]
    assert all(record["paper"] and record["cost"] and record["use"] for record in records)


def test_an_unknown_one() -> None:
    result = CliRunner().invoke(main, ["strategies", "nothing-like-it"])
    assert result.exit_code == 1
    assert "no strategy" in result.output
