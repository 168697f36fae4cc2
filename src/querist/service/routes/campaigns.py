"""Campaigns: watch and steer runs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import StringConstraints

from querist.service.call import Call, Stream
from querist.service.campaigns import command, folder_of, look, runs
from querist.service.routes.paging import After, Limit, number_of, numbered
from querist.service.wire.base import Page
from querist.service.wire.campaigns import Campaign, CampaignCommand, Posted

RunId = Annotated[str, StringConstraints(max_length=300)]


def list_campaigns(call: Call, limit: Limit = 100, after: After = "") -> Page[Campaign]:
    """Runs in the folders that the administrator listed, by name."""
    roots = _roots(call)
    ids = numbered(runs(roots), number_of(after), limit)
    shown = [look(folder_of(roots, one), one) for one in ids.items]
    return Page[Campaign](items=shown, next=ids.next)


def get_campaign(call: Call, campaign: RunId) -> Campaign:
    """One run, with its summary."""
    return look(folder_of(_roots(call), campaign), campaign, full=True)


def campaign_events(call: Call, campaign: RunId) -> Stream:
    """What the page shows of a run, as server-sent events ``view``: at once, and when it grew.

    Curves are thinned and workers put together, so that an event stays small however long the run
    is. The stream goes on until the reader ends it.
    """
    folder = folder_of(_roots(call), campaign)
    call.service.check_streams(call.who)
    return Stream(call.service.watch(call.who, folder))


def command_campaign(call: Call, campaign: RunId, body: CampaignCommand) -> Posted:
    """Pause, resume, stop a run, or set its budgets; it reads this within a second."""
    folder = folder_of(_roots(call), campaign)
    why = body.why or f"by {call.who.user}"
    posted = command(folder, body.command, body.values, why)
    return Posted(id=posted, campaign=campaign, command=body.command, at=datetime.now(UTC))


def _roots(call: Call) -> Mapping[str, Path]:
    return call.service.settings.campaigns_of(call.who.tenant_name)
