"""Campaigns: runs that the administrator lets the service watch and steer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from querist.service.wire.base import Ask, Instant, Name, Options, Told


class Campaign(Told):
    """A run folder as it stands.

    Attributes:
        id: "ROOT:NAME": the name of its folder below one that service.yaml lists; "ROOT" where
            that is a run itself.
        state: "unfinished" while it runs or can be resumed, then "finished", "stopped" ...
        reason: Why it ended.
        labels, failures, open_questions: Counts from the journal.
        seconds: Campaign time.
        summary: The versioned summary; {} in lists.
    """

    id: str
    state: str = ""
    reason: str = ""
    labels: int = 0
    failures: int = 0
    open_questions: int = 0
    seconds: float = 0.0
    summary: Options = Field(default_factory=dict)


class CampaignCommand(Ask):
    """What a run shall do.

    Attributes:
        command: "pause" lets nothing new begin, "resume" goes on, "stop" ends in order, "set"
            changes ``values`` (a budget, a threshold).
        values: For "set" only.
        why: For the journal.
    """

    command: Literal["pause", "resume", "stop", "set"]
    values: Annotated[Options, Field(max_length=50)] = Field(default_factory=dict)
    why: Annotated[str, Field(max_length=1000)] = ""

    @model_validator(mode="after")
    def _values_belong_to_set(self) -> CampaignCommand:
        if bool(self.values) != (self.command == "set"):
            raise ValueError("'values' belong to the command 'set', which needs at least one")
        return self


class Posted(Told):
    """A command that lies durably in the run's inbox."""

    id: str
    campaign: Name
    command: str
    at: Instant
