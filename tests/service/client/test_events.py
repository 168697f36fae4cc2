"""Server-sent events: any way of cutting a stream gives the same messages."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from querist.service.client.events import Parser

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=20)
messages = st.fixed_dictionaries(
    {"data": st.lists(texts, min_size=1, max_size=3).map("\n".join)},
    optional={"id": texts, "event": texts},
)


def written(message: dict[str, str], end: str) -> str:
    lines = [f"{name}: {message[name]}" for name in ("id", "event") if name in message]
    lines += [f"data: {line}" for line in message["data"].split("\n")]
    return "".join(line + end for line in [*lines, ": a comment", ""])


@given(st.lists(messages, max_size=4), st.sampled_from(["\n", "\r\n"]), st.data())
def test_messages_survive_any_cutting(sent: list[dict[str, str]], end: str, data) -> None:
    whole = "".join(written(message, end) for message in sent).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    parser = Parser()
    assert [message for piece in pieces for message in parser.feed(piece)] == sent


def test_what_is_not_complete_is_no_message() -> None:
    assert list(Parser().feed(b"data: half\n")) == []
    assert list(Parser().feed(b"id: 3\n\n")) == []


def test_the_server_says_when_to_come_back() -> None:
    parser = Parser()
    list(parser.feed(b"retry: 1500\n\nretry: soon\n\n"))
    assert parser.retry == 1.5
