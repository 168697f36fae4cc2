"""What a surrogate is told: frozen, checked, and kept in its folder."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from querist.campaign.settings import Settings

Share = Annotated[float, Field(ge=0.0, lt=1.0)]
Open = Annotated[float, Field(gt=0.0, lt=1.0)]


class SurrogateSettings(Settings):
    """How a surrogate learns, and what it promises.

    Attributes:
        tolerance: Largest error that is no error, in the units of the output: one number for all
            outputs, or by output; outputs that are not named are not judged. The error of an output
            is its largest within a sample (vectors ``(..., 3)`` by their norm).
        coverage: Least P(error <= tolerance | answered by the model).
        confidence: Least probability, over the audits, that a gate keeps it.
        audit: Share of calls that are simulated although the model is trusted. With 0 nothing is
            measured any more, and drift is not noticed.
        holdout: The same share while no model is trusted, or none for the inputs that come lately:
            what is not learned from, but judges.
        first: Labels to learn from before the first fit.
        growth: Factor by which they grow from fit to fit.
        models: Fitted models that are on trial at a time.
        most_rows: Newest labels that a fit takes at most.
        patience: Audits between false alarms of drift, on average at least.
        refuse: Least P(simulation fails | refused); None to refuse nothing.
        learn: "now": within the call that brought the label; "background": in a thread.
        deadline: Seconds after which a call no longer waits for the simulation; None to wait for
            ever. The simulation goes on, and is recorded and learned from when it ends. An audit
            that is late is answered by the model, which the gate trusts there. Needs an engine
            whose workers are not the caller. Not kept in the folder: it is the caller's.
        seed: Of all randomness.
    """

    tolerance: float | dict[str, float]
    coverage: Open = 0.95
    confidence: Open = 0.9
    audit: Share = 0.05
    holdout: Open = 0.5
    first: int = Field(default=20, ge=2)
    growth: float = Field(default=1.5, gt=1.0, le=10.0)
    models: int = Field(default=4, ge=1, le=32)
    most_rows: int = Field(default=20_000, ge=2)
    patience: float = Field(default=1000.0, gt=1.0)
    refuse: Open | None = 0.8
    learn: Literal["now", "background"] = "now"
    deadline: float | None = Field(default=None, gt=0.0)
    seed: int = Field(default=0, ge=0)

    @field_validator("tolerance")
    @classmethod
    def _positive(cls, value: float | dict[str, float]) -> float | dict[str, float]:
        numbers = list(value.values()) if isinstance(value, dict) else [value]
        if not numbers or any(not 0.0 < one < float("inf") for one in numbers):
            raise ValueError("a tolerance should be a positive number, or one for each output")
        return value

    def kept(self) -> dict[str, Any]:
        """As JSON, for the folder."""
        return self.model_dump(mode="json", exclude={"deadline"})
