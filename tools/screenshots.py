"""Make the pictures of the page that the documentation shows.

    sh tools/chromium.sh python tools/screenshots.py [FOLDER]

writes ``page-*.png`` into the folder, by default docs. All that is to be seen is real: the
digits of scikit-learn, labelled by what they are and trained on as in docs/from-folder-to-model.md;
a campaign of ``examples/proton_transfer`` while it runs; a flow of ``examples/eddy_promoters``. It
takes some minutes, and needs the development environment.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from querist import Client
from querist.core.batch import Sample
from querist.service.client.errors import ServiceError
from querist.store.run_folder import RunFolder

ROOT = Path(__file__).resolve().parent.parent
PHONE = (390, 800)
WIDE = 1200  # of the window where the picture's width is not that of the window
LARGEST = 200_000  # bytes; what is larger gets a palette
GAP = 12
LABELS = 200  # of the campaign, when its picture is taken
Makers = dict[str, Callable[[], Image.Image]]
TEXT = (
    "Ada Lovelace, born in London, wrote the first program for the Analytical Engine that Charles "
    "Babbage had designed at the University of Cambridge."
)


class Camera:
    """Takes pictures in a browser.

    Args:
        browser: Of Playwright.
        url: Of the service.
    """

    def __init__(self, browser: Any, url: str) -> None:
        self._browser, self._url = browser, url

    @contextmanager
    def at(self, place: str, size: tuple[int, int], dark: bool = False) -> Iterator[Any]:
        """A tab that shows a place of the page."""
        shape = {"width": size[0], "height": size[1]}
        context = self._browser.new_context(
            viewport=shape, color_scheme="dark" if dark else "light", reduced_motion="reduce"
        )
        page = context.new_page()
        page.goto(f"{self._url}/#/{place}")
        yield page
        context.close()

    @staticmethod
    def take(page: Any, whole: bool = False) -> Image.Image:
        """What a tab shows, after a while for pictures to come; ``whole`` also what lies below."""
        page.wait_for_timeout(2000)
        taken = page.screenshot(full_page=whole)
        return Image.open(io.BytesIO(taken)).convert("RGB")


def save(picture: Image.Image, path: Path) -> None:
    """Write a picture; with a palette where it is large."""
    picture.save(path, optimize=True)
    if path.stat().st_size > LARGEST:
        picture.quantize(256, Image.Quantize.MAXCOVERAGE, 4, dither=Image.Dither.NONE).save(
            path, optimize=True
        )
    print(f"{path.name}: {picture.width} x {picture.height}, {path.stat().st_size >> 10} kB")


def narrowed(picture: Image.Image, width: int) -> Image.Image:
    """The same, smaller."""
    shape = width, round(picture.height * width / picture.width)
    return picture.resize(shape, Image.Resampling.LANCZOS)


# -- what is shown --------------------------------------------------------------------------------


def digits(folder: Path) -> dict[str, str]:
    """The pictures of docs/from-folder-to-model.md; what each is, by its name."""
    from sklearn.datasets import load_digits

    folder.mkdir()
    found, truth = load_digits(), {}
    for number, grey in enumerate(found.images):
        pixels = (255 - 15.9 * grey).astype(np.uint8)
        small = Image.fromarray(pixels).resize((32, 32), Image.Resampling.BICUBIC)
        small.convert("RGB").save(folder / f"{number:04}.png")
        truth[f"{number:04}.png"] = str(found.target[number])
    return truth


def asked_of_a_flow(folder: Path) -> None:
    """A run that asks a person of the flow past a cylinder, at a Reynolds number of 100."""
    sys.path.insert(0, str(ROOT / "examples" / "eddy_promoters"))
    flow, lift = importlib.import_module("cylinder").channel(14, 100.0, 0.1), []
    flow.advance(10_000)
    for _ in range(240):
        flow.advance(10)
        lift.append(flow.drag[0, 1])
    along, across = (np.nan_to_num(flow.field(number)[:, :120]) for number in (1, 2))
    vorticity = np.gradient(across, axis=1) - np.gradient(along, axis=0)
    outputs = {
        "regime": {"classes": ["steady", "sheds eddies", "turbulent"]},
        "period": {"unit": "steps", "low": 0, "high": 5000},
    }
    options = {"outputs": outputs, "instructions": "Which regime does this flow show?"}
    person = {"use": "human", "outside": 20, "options": options}
    run = RunFolder.create(folder, {"settings": {"oracles": {"person": person}}})
    sample = Sample.of({"vorticity": vorticity, "lift": 1e4 * np.array(lift)}, None)
    told = {"question": f"{sample.id}.person.0", "sample": sample.id, "oracle": "person"}
    about = {"purpose": "train", "why": "uncertain", "score": 0.25, "t": 1.0}
    with run.journal_writer() as writer:
        arrays = {f"in/{name}": array for name, array in sample.arrays.items()}
        writer.append("question.asked", told | about, arrays)


def digits_pool(client: Client, folder: Path, truth: dict[str, str]) -> str:
    """The pool of docs/from-folder-to-model.md, before anything is labelled."""
    pool = client.create_pool("digits", classes=sorted(set(truth.values())))
    client.wait(client.add(pool, str(folder)))
    return pool.id


def labelled(client: Client, pool: str, picks: Any, truth: dict[str, str]) -> None:
    """Say what the picks are."""
    said = {pick.id: truth[pick.uri.rpartition("/")[2]] for pick in picks}
    client.label(pool, said, by="ada")


def begun(client: Client, pool: str, truth: dict[str, str]) -> tuple[str, str]:
    """A hold-out and a first query, both labelled; their ids."""
    holdout = client.query(pool, budget=200, strategy="random", note="hold-out")
    labelled(client, pool, holdout, truth)
    first = client.query(pool, budget=40, strategy="typiclust")
    labelled(client, pool, first, truth)
    return holdout.query.id, first.query.id


def trained(client: Client, pool: str, holdout: str, truth: dict[str, str]) -> str:
    """A round, what it picked labelled; its query's id."""
    made = client.start_round(pool, trainer={"use": "linear_head"}, holdout=holdout, budget=40)
    client.wait(made)
    labelled(client, pool, client.picks(made), truth)
    return made.query


# -- pictures -------------------------------------------------------------------------------------


def page_label(camera: Camera, pool: str) -> Image.Image:
    """The first item, dark."""
    with camera.at(f"pools/{pool}", (1200, 800), dark=True) as page:
        page.wait_for_selector("figure img")
        return camera.take(page)


def page_picks(camera: Camera, pool: str, query: str) -> Image.Image:
    """Picks with their reasons."""
    with camera.at(f"pools/{pool}/queries/{query}", (WIDE, 830)) as page:
        page.wait_for_selector(".cell img.thumbnail")
        return narrowed(camera.take(page), 900)


def page_train(camera: Camera, pool: str) -> Image.Image:
    """The table of rounds."""
    with camera.at(f"pools/{pool}/rounds", (WIDE, 700)) as page:
        page.wait_for_selector("td")
        options = page.get_by_label("Hold-out").locator("option").all_inner_texts()
        page.get_by_label("Hold-out").select_option(
            next(one for one in options if "hold-out" in one)
        )
        return narrowed(camera.take(page), 900)


def page_map(camera: Camera, pool: str, dark: bool = False, phone: bool = False) -> Image.Image:
    """The map with classes in colours and the picks of the last query."""
    with camera.at(f"pools/{pool}/map", PHONE if phone else (WIDE, 1130), dark) as page:
        page.get_by_label("Colours tell the classes").wait_for(timeout=120_000)
        page.get_by_label("First query").select_option(index=1)
        page.get_by_label("Colours tell the classes").check()
        if not phone:
            page.locator("canvas").first.focus()
            for key in 40 * ["ArrowRight", "ArrowDown"]:  # until one of the picks is chosen
                if page.get_by_text("· picked").count():
                    break
                page.keyboard.press(key)
                page.wait_for_timeout(50)
        taken = camera.take(page)
        return taken if phone else narrowed(taken, 900)


def page_phone(camera: Camera, pool: str, query: str) -> Image.Image:
    """Items, picks and the map, side by side."""
    taken = []
    for place in (f"pools/{pool}/items", f"pools/{pool}/queries/{query}"):
        with camera.at(place, PHONE, dark=True) as page:
            page.wait_for_selector(".cell img.thumbnail")
            taken.append(camera.take(page))
    taken.append(page_map(camera, pool, dark=True, phone=True))
    whole = Image.new("RGB", (3 * PHONE[0] + 2 * GAP, PHONE[1]), "white")
    for number, one in enumerate(taken):
        whole.paste(one, (number * (PHONE[0] + GAP), 0))
    return narrowed(whole, 900)


def page_spans(camera: Camera, client: Client, folder: Path) -> Image.Image:
    """Marks on a text, one within another."""
    (folder / "texts").mkdir()
    (folder / "texts" / "16.txt").write_text(TEXT, encoding="utf-8")
    classes = ["PERSON", "PLACE", "ORGANISATION"]
    pool = client.create_pool(
        "places", task="tokens", classes=classes, transform={"modality": "text"}
    )
    client.wait(client.add(pool, str(folder / "texts")))
    with camera.at(f"pools/{pool.id}", (1200, 530)) as page:
        page.wait_for_selector(".text [data-word]")
        page.keyboard.press("+")
        words = (
            ("Ada Lovelace", "1"),
            ("London", "2"),
            ("University of Cambridge", "3"),
            ("Cambridge", "2"),
        )
        for chosen, key in words:
            select(page, chosen)
            page.keyboard.press(key)
        return camera.take(page)


def select(page: Any, words: str) -> None:
    """Drag over some words of the text."""
    parts = words.split()
    first = page.locator(".text [data-word]", has_text=parts[0]).last.bounding_box()
    last = page.locator(".text [data-word]", has_text=parts[-1]).last.bounding_box()
    page.mouse.move(first["x"] + 2, first["y"] + first["height"] / 2)
    page.mouse.down()
    page.mouse.move(last["x"] + last["width"] - 2, last["y"] + last["height"] / 2, steps=5)
    page.mouse.up()


def page_question(camera: Camera) -> Image.Image:
    """A question with a picture, a curve, a class and a number."""
    with camera.at("campaigns/flow/questions", (1200, 800)) as page:
        page.wait_for_selector(".uplot")
        page.keyboard.press("2")
        page.keyboard.type("470")
        return camera.take(page)


def page_campaign(camera: Camera, client: Client) -> Image.Image:
    """A campaign that runs."""
    while "proton" not in {one.id for one in client.campaigns()}:
        time.sleep(0.2)
    with camera.at("campaigns/proton", (WIDE, 900)) as page:
        page.wait_for_selector("dl.facts dd", timeout=60_000)
        while int(page.locator("dl.facts dd").first.inner_text().split()[0]) < LABELS:
            time.sleep(0.2)
        shown = camera.take(page, whole=True)
        return narrowed(shown.crop((0, 0, WIDE, min(shown.height, 2130))), 960)


# -- the whole ------------------------------------------------------------------------------------


@contextmanager
def running(command: list[str], folder: Path) -> Iterator[None]:
    """A process, ended afterwards."""
    with (folder / f"{command[0]}.log").open("wb") as log:
        whole = [sys.executable, "-m", "querist", *command]
        process = subprocess.Popen(whole, cwd=folder, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    """A port of loopback that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def ready(client: Client) -> None:
    """Wait until the service answers."""
    for _ in range(300):
        try:
            client.health()
            return
        except ServiceError:
            time.sleep(0.2)
    raise SystemExit("The service did not start.")


def of_pools(camera: Camera, client: Client, folder: Path, truth: dict[str, str]) -> Makers:
    """How pictures of pools are made, in this order."""
    pool = digits_pool(client, folder / "digits", truth)
    shown: dict[str, str] = {}

    def picks() -> Image.Image:
        holdout, first = begun(client, pool, truth)
        shown["last"] = [trained(client, pool, holdout, truth) for _ in range(3)][-1]
        return page_picks(camera, pool, first)

    return {
        "page-label": lambda: page_label(camera, pool),
        "page-picks": picks,
        "page-train": lambda: page_train(camera, pool),
        "page-map": lambda: page_map(camera, pool),
        "page-phone": lambda: page_phone(camera, pool, shown["last"]),
        "page-spans": lambda: page_spans(camera, client, folder),
    }


def main(target: Path) -> None:
    """Make all pictures."""
    from playwright.sync_api import sync_playwright

    port = free_port()
    with tempfile.TemporaryDirectory(prefix="querist-pictures-") as name:
        folder = Path(name)
        truth = digits(folder / "digits")
        asked_of_a_flow(folder / "flow")
        shutil.copytree(ROOT / "examples" / "proton_transfer", folder / "proton")
        config = {
            "listen": {"port": port},
            "tenants": {"default": {"roots": [str(folder)]}},
            "campaigns": {"flow": str(folder / "flow"), "proton": str(folder / "proton" / "run")},
        }
        (folder / "service.yaml").write_text(json.dumps(config), encoding="utf-8")
        with (
            running(["serve", "service.yaml"], folder),
            Client(f"http://127.0.0.1:{port}") as client,
            sync_playwright() as playwright,
        ):
            ready(client)
            browser = playwright.chromium.launch(
                executable_path=os.environ["QUERIST_CHROMIUM"], chromium_sandbox=os.getuid() != 0
            )
            camera = Camera(browser, f"http://127.0.0.1:{port}")
            for title, make in of_pools(camera, client, folder, truth).items():
                save(make(), target / f"{title}.png")
            save(page_question(camera), target / "page-question.png")
            with running(["run", "campaign.yaml", "--folder", "run"], folder / "proton"):
                save(page_campaign(camera, client), target / "page-campaign.png")
            browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs")
