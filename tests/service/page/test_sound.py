"""Pools of sounds: heard and labelled by keyboard alone."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.browser
SECONDS, RATE = (
    20.0,
    8000,
)  # long enough to be heard for a while, and more bytes than a text may have


def write(path: Path, pitch: float) -> None:
    """A tone."""
    at = np.arange(int(SECONDS * RATE)) / RATE
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((8000 * np.sin(2 * np.pi * pitch * at)).astype("<i2").tobytes())


@pytest.fixture
def sounds(serve, finished, tmp_path: Path) -> tuple[Any, str]:
    """A server with a pool of four tones."""
    folder = tmp_path / "sounds"
    folder.mkdir()
    for number in range(4):
        write(folder / f"tone-{number}.wav", 220.0 * (number + 1))
    server = serve(tenants={"default": {"roots": [str(folder)]}})
    body = {"name": "tones", "classes": ["low", "high"], "uris": [str(folder)]}
    with server.client() as client:
        made = client.post("/v1/pools", json={**body, "transform": {"modality": "audio"}}).json()
        assert finished(client, made["addition"])["state"] == "done"
    return server, made["id"]


def plays(page: Any, yes: bool = True) -> None:
    """Wait until the player of the item plays, or does not."""
    name = "Pause" if yes else "Play"
    page.get_by_role("button", name=name, exact=False).wait_for()
    assert page.locator("audio").evaluate("player => player.paused") is not yes


def test_sounds_are_heard_and_labelled_by_keyboard_alone(sounds, desk, labels_of) -> None:
    server, id = sounds
    at = desk(server, id, viewport={"width": 390, "height": 800})
    page = at.page
    page.locator("figure[aria-busy=false] audio").wait_for()
    assert page.locator("kbd:text-is('p')").count() == 1
    assert not at.shown.overflows
    at.shown.accessible()
    page.keyboard.press("p")
    plays(page)
    page.locator("audio").evaluate(
        "player => new Promise((go) => player.addEventListener('timeupdate', go, { once: true }))"
    )
    page.keyboard.press("p")
    plays(page, False)
    assert page.locator("audio").evaluate("player => player.currentTime") > 0
    page.keyboard.press("p")
    plays(page)
    first = page.locator("figcaption").inner_text()
    page.keyboard.press("1")
    at.saved(1)
    page.locator("figure[aria-busy=false] figcaption").wait_for()
    assert page.locator("figcaption").inner_text() != first
    plays(page, False)  # the next one waits for its key
    page.keyboard.press("p")
    plays(page)
    page.keyboard.press("2")
    at.saved(2)
    page.locator("details.keys summary").press("Enter")
    page.get_by_label("Single letters, digits and signs").press("Space")
    page.get_by_role("heading", level=1).click()
    page.locator("figure[aria-busy=false] figcaption").wait_for()
    page.keyboard.press("p")
    page.get_by_role("button", name="Play").press("Enter")  # by its button, once: p did nothing
    plays(page)
    page.get_by_role("button", name="Pause").press("Space")
    plays(page, False)
    page.get_by_role("button", name="high").press("Enter")
    at.saved(3)
    assert labels_of(server, id) == ["low", "high", "high"]


def test_sounds_are_heard_where_items_are_looked_at(sounds, desk) -> None:
    server, id = sounds
    at = desk(server)
    page = at.page
    page.goto(f"{server.url}/#/pools/{id}/items")
    page.locator(".thumbnail", has_text="Sound (wav)").first.wait_for()
    page.locator(".cell").first.press("Enter")
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Play").press("Enter")
    plays(page)
    at.shown.accessible()
    page.keyboard.press("Escape")
    dialog.wait_for(state="detached")


def test_a_sound_that_cannot_be_played_says_so_and_can_be_skipped(
    serve, finished, desk, tmp_path: Path
) -> None:
    folder = tmp_path / "sounds"
    folder.mkdir()
    (folder / "broken.wav").write_bytes(b"RIFF\x24\0\0\0WAVEfmt " + bytes(30))
    server = serve(tenants={"default": {"roots": [str(folder)]}})
    body = {"name": "tones", "classes": ["low", "high"], "uris": [str(folder)]}
    with server.client() as client:
        made = client.post("/v1/pools", json={**body, "transform": {"modality": "audio"}}).json()
        assert finished(client, made["addition"])["state"] == "done"
    at = desk(server, made["id"])
    at.page.wait_for_selector("text=This browser cannot play the sound.")
    at.shown.accessible()
    at.press("s")
    at.saved(1)
