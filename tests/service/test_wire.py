"""What travels: limits hold, unknown keys are refused when asked and passed over when told."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from querist.service.wire.base import Ask, Page
from querist.service.wire.campaigns import CampaignCommand
from querist.service.wire.jobs import Failure, JobState
from querist.service.wire.pools import PoolCreate
from querist.service.wire.queries import QueryCreate


@pytest.mark.parametrize("budget", [0, -1, -0.25, 1.5, True, "many", 2**60, float("nan"), None])
def test_a_budget_is_a_number_of_items_or_a_share(budget) -> None:
    with pytest.raises(ValidationError) as caught:
        QueryCreate(budget=budget)
    (told,) = caught.value.errors()
    assert told["loc"] == ("budget",)
    assert "should be a number of items from 1 on, or a share of the pool" in told["msg"]


@pytest.mark.parametrize("budget", [1, 250, 0.25, 2**53 - 1])
def test_a_budget_keeps_its_kind(budget) -> None:
    again = QueryCreate.model_validate_json(QueryCreate(budget=budget).model_dump_json())
    assert again.budget == budget
    assert type(again.budget) is type(budget)


@pytest.mark.parametrize("name", ["", "a\nb", "a\x00", "\u202eevil", "x" * 201])
def test_names_are_printable_and_short(name: str) -> None:
    with pytest.raises(ValidationError):
        PoolCreate(name=name)


def test_names_of_all_scripts_are_allowed() -> None:
    assert PoolCreate(name="Köln 北京 🐟").name == "Köln 北京 🐟"


def test_what_is_asked_refuses_unknown_keys_and_what_is_told_passes_them_over() -> None:
    with pytest.raises(ValidationError, match="forbidden"):
        PoolCreate.model_validate({"name": "a", "clases": []})
    assert Failure.model_validate({"reason": "missing", "later": 1}).reason == "missing"


def test_free_json_is_not_nested_without_end() -> None:
    deep: dict = {}
    for _ in range(50):
        deep = {"a": deep}
    with pytest.raises(ValidationError, match="20 levels"):
        PoolCreate(name="a", transform=deep)


def test_values_belong_to_the_command_that_takes_them() -> None:
    assert CampaignCommand(command="set", values={"labels": 5}).values == {"labels": 5}
    for wrong in ({"command": "set"}, {"command": "pause", "values": {"labels": 5}}):
        with pytest.raises(ValidationError):
            CampaignCommand.model_validate(wrong)


def test_three_states_are_final() -> None:
    assert {state.value for state in JobState if state.final} == {"done", "failed", "cancelled"}


def test_a_page_round_trips() -> None:
    page = Page[Failure](items=[Failure(reason="missing")], next="7")
    assert Page[Failure].model_validate(json.loads(page.model_dump_json())) == page


def test_everything_asked_is_frozen() -> None:
    asked = QueryCreate(budget=1)
    assert isinstance(asked, Ask)
    with pytest.raises(ValidationError, match="frozen"):
        asked.budget = 2  # type: ignore[misc]
