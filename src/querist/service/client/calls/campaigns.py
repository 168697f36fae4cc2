"""Campaigns that the service's administrator listed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from querist.service.client.call import Call, Flow, Listing, get, pages, path_of, post
from querist.service.client.calls.references import Ref, id_of
from querist.service.wire.base import Page
from querist.service.wire.campaigns import Campaign, CampaignCommand, Posted
from querist.service.wire.questions import OpenQuestion, QuestionAnswer, QuestionLease


def campaigns() -> Listing[Campaign]:
    """All campaigns."""
    return Listing(pages(Campaign, "campaigns"))


def campaign(campaign: Ref) -> Flow[Campaign]:
    """One campaign, with its summary."""
    found: Campaign = yield from get(Campaign, "campaigns", id_of(campaign))
    return found


def command(campaign: Ref, command: str, *, why: str = "", **values: Any) -> Flow[Posted]:
    """Tell a campaign to pause, resume or stop, or to set budgets (``set``, labels=200)."""
    body = CampaignCommand.model_validate({"command": command, "values": values, "why": why})
    posted: Posted = yield from post(Posted, "campaigns", id_of(campaign), "commands", body=body)
    return posted


def questions(campaign: Ref) -> Listing[OpenQuestion]:
    """What a campaign asks people and programs now."""
    return Listing(pages(OpenQuestion, "campaigns", id_of(campaign), "questions"))


def lease_questions(
    campaign: Ref, holder: str, number: int = 4, **more: Any
) -> Flow[list[OpenQuestion]]:
    """Questions that nobody else gets for five minutes; ``first`` and ``without`` name some.

    Whoever asks again gets his own again, for five minutes more; what is no longer among them was
    answered or withdrawn.
    """
    body = QuestionLease.model_validate({"holder": holder, "number": number, **more})
    page: Page[OpenQuestion] = yield from post(
        Page[OpenQuestion], "campaigns", id_of(campaign), "leases", body=body
    )
    return list(page.items)


def question_picture(campaign: Ref, question: str, input: str, to: Path | str) -> Flow[Path]:
    """Write an input of a question that is a picture, as a PNG."""
    path = path_of("campaigns", id_of(campaign), "questions", question, "inputs", input)
    written: Path = yield Call("GET", path, Path, save=Path(to))
    return written


def question_content(campaign: Ref, question: str, to: Path | str) -> Flow[Path]:
    """Write what the address of a question's input leads to: a picture or text."""
    path = path_of("campaigns", id_of(campaign), "questions", question, "content")
    written: Path = yield Call("GET", path, Path, save=Path(to))
    return written


def answer(
    campaign: Ref, question: str, outputs: Mapping[str, Any] | None = None, **more: Any
) -> Flow[Posted]:
    """Answer a question; ``kind``, ``seconds``, ``why`` and ``by`` as in QuestionAnswer."""
    said = {"question": question, "outputs": dict(outputs or {}), **more}
    body = QuestionAnswer.model_validate(said)
    posted: Posted = yield from post(Posted, "campaigns", id_of(campaign), "answers", body=body)
    return posted
