"""Questions of campaigns to people and programs, and their answers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from querist.service.wire.base import MAX_BATCH, AnyJson, Ask, Name, Note, Options, Told


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
        content: Whether what is there may be read, at ``.../content``.
        inputs: By name, numbers in lists; what is larger than 4,096 numbers is left out.
        shapes: Of all inputs, by name.
        shown: By input how people see it: "image" (as a PNG at ``.../inputs/{input}``), "text",
            "numbers", "link" or "hidden".
        form: How it is shown and answered; {} where the campaign does not say.
    """

    id: str
    oracle: str
    why: str
    purpose: str
    score: float | None = None
    at: float = 0.0
    uri: str = ""
    content: bool = False
    inputs: Options = Field(default_factory=dict)
    shapes: dict[str, list[int]] = Field(default_factory=dict)
    shown: dict[str, str] = Field(default_factory=dict)
    form: Options = Field(default_factory=dict)


class QuestionLease(Ask):
    """Questions for somebody who answers them on a page or in a program.

    Attributes:
        holder: Who holds them: a word that is this browser's tab's or program's own.
        number: How many, at most.
        first: Those that are wanted before others, where they still wait.
        without: Those that are not wanted now, since something was said of them.
        back: Those that others shall get.
    """

    holder: Name
    number: Annotated[int, Field(ge=1, le=100)] = 4
    first: Annotated[list[Name], Field(max_length=100)] = Field(default_factory=list)
    without: Annotated[list[Name], Field(max_length=MAX_BATCH)] = Field(default_factory=list)
    back: Annotated[list[Name], Field(max_length=MAX_BATCH)] = Field(default_factory=list)


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
