"""Questions of campaigns to people and programs, and their answers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from querist.service.wire.base import AnyJson, Ask, Name, Note, Options, Told


class OpenQuestion(Told):
    """A question that waits.

    Attributes:
        id: The question's.
        oracle: Who is asked.
        why: Why it was asked: "initial", "uncertain", "holdout" ...
        purpose: What the label is for.
        score: The model's uncertainty then; None before there was a model.
        at: Campaign time in seconds.
        uri: Of the input, or "".
        inputs: By name, numbers in lists; what is larger than 4,096 numbers is left out.
        form: How it is shown and answered; {} where the campaign does not say.
    """

    id: str
    oracle: str
    why: str
    purpose: str
    score: float | None = None
    at: float = 0.0
    uri: str = ""
    inputs: Options = Field(default_factory=dict)
    form: Options = Field(default_factory=dict)


class QuestionAnswer(Ask):
    """What somebody says to a question.

    Attributes:
        question: Its id, or the beginning of it.
        kind: "answer" with ``outputs``; "not-sure" closes it without a label; "lease" says that
            somebody looks at it, so that it is not withdrawn for ``seconds``.
        outputs: By name a class, a number, or numbers in lists.
        seconds: What it took, or how long it is looked at.
        why: Of "not-sure".
        by: Who says so; the key's user when left out.
    """

    question: Name
    kind: Literal["answer", "not-sure", "lease"] = "answer"
    outputs: Annotated[dict[str, AnyJson], Field(max_length=50)] = Field(default_factory=dict)
    seconds: Annotated[float, Field(ge=0, le=86_400)] | None = None
    why: Note = ""
    by: Name | None = None

    @model_validator(mode="after")
    def _outputs_belong_to_answers(self) -> QuestionAnswer:
        if bool(self.outputs) != (self.kind == "answer"):
            raise ValueError("'outputs' belong to the kind 'answer', which needs at least one")
        return self
