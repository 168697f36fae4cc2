"""Queries when things go wrong around them: kills, full disks, vanishing caches, bad files."""

from __future__ import annotations

import errno
import io
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from querist.core.events import Interrupted
from querist.pool import query_run as query_run_module
from querist.pool.pool import Pool
from querist.pool.query import cancel_query, query_result, query_status, run_query, start_query
from querist.pool.query_control import QueryController
from querist.pool.query_errors import QueryFailed, QueryStopped
from querist.pool.query_state import CHUNK
from querist.pool.scan import outputs as outputs_module
from querist.pool.scan.caching import forget
from querist.store import pages as pages_module
from querist.store.run_folder import RunFolder
from querist.testing.jobs import mpiexec

HERE = Path(__file__).resolve().parent
RUN = "import sys; from querist.pool.query import run_query; run_query(sys.argv[1])"


def colours(batch: np.ndarray) -> np.ndarray:
    """(n, 2) probabilities of images by their first pixel's red."""
    first = batch[:, 0, 0, 0] / 255.0
    return np.stack([first, 1 - first], axis=1)


class Colours:
    """The same as a model that counts."""

    provides = frozenset({"probabilities"})
    classes = ("red", "not")

    def __init__(self, digest: str = "colours-1") -> None:
        self.digest, self.seen = digest, 0

    def infer(self, batch, wanted):
        self.seen += len(batch)
        return {"probabilities": colours(batch)}

    def close(self) -> None:
        pass


@pytest.fixture
def images(tmp_path: Path):
    """A pool of 60 images, of which every tenth is broken in one way or another."""
    from PIL import Image

    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(60):
        held = io.BytesIO()
        Image.new("RGB", (8, 8), (number * 4, 9, 9)).save(held, "PNG")
        data = held.getvalue()
        if number % 10 == 3:
            data = (b"", b"no image at all", data[: len(data) // 2])[number // 10 % 3]
        (folder / f"{number:03}.png").write_bytes(data)
    with Pool.create(tmp_path / "pool", {"transform": {"modality": "image", "size": 8}}) as pool:
        pool.add(folder)
        yield pool, folder


def query_of_texts(tmp_path: Path, seed: int) -> Path:
    with Pool.create(tmp_path / f"pool-{seed}", {"transform": {"modality": "text"}}) as pool:
        pool.add_items([{"text": f"text {number}"} for number in range(240)])
        asked = {
            "budget": 40,
            "model": {"use": "python", "function": "query_models:slowly"},
            "scan": {"chunk": 20, "batch": 10, "cache": False},
        }
        return start_query(pool, asked)


def chunks(folder: Path) -> list[tuple[int, int]]:
    records = RunFolder(folder).journal_reader()
    return [(r.data["start"], r.data["stop"]) for r in records if r.kind == CHUNK]


@pytest.mark.kill
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_killed_query_goes_on_from_its_last_chunk(tmp_path: Path, seed: int) -> None:
    folder = query_of_texts(tmp_path, seed)
    draw, kills = random.Random(seed), 0
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])}
    while kills < 2:
        child = subprocess.Popen([sys.executable, "-c", RUN, str(folder)], env=environment)
        before, until = len(chunks(folder)), time.monotonic() + 60
        wanted = before + draw.randint(1, 4)
        while len(chunks(folder)) < wanted and child.poll() is None:
            assert time.monotonic() < until, "no chunk was finished"
            time.sleep(draw.uniform(0.005, 0.05))
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL, "it was over before it could be killed"
        kills += 1
        assert query_status(folder).state == "stopped"
    done = chunks(folder)
    result = run_query(folder)
    assert chunks(folder)[: len(done)] == done
    assert sorted(chunks(folder)) == [(start, start + 20) for start in range(0, 240, 20)]
    undisturbed = run_query(query_of_texts(tmp_path, seed + 100))
    assert result.digest == undisturbed.digest
    assert [p[:4] for p in result.picks] == [p[:4] for p in undisturbed.picks]


def in_need(pool: Pool) -> Path:
    """A query that keeps outputs of its model until it selects."""
    scan = {"chunk": 20, "cache": False}
    return start_query(pool, {"budget": 5, "strategy": "k-center", "scan": scan})


def kept(folder: Path) -> list[Path]:
    return list((folder / "outputs").glob("*.npy"))


def stopped_in_selecting(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was selected comes too late: the query was told to stop in that moment."""

    def stop(control: QueryController, _: object) -> None:
        control._on_interrupted(Interrupted("stopped"))

    with monkeypatch.context() as patched:
        patched.setattr(QueryController, "_picked", stop)
        with pytest.raises(QueryStopped):
            run_query(folder)


def test_a_query_stopped_while_it_selects_selects_again(
    images, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, _ = images
    wanted = run_query(in_need(pool))
    folder = in_need(pool)
    stopped_in_selecting(folder, monkeypatch)
    assert kept(folder)
    assert run_query(folder).digest == wanted.digest
    assert not kept(folder)


def test_a_query_killed_after_its_last_fact_is_done_when_it_is_resumed(
    images, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    pool, _ = images
    folder = in_need(pool)
    with monkeypatch.context() as patched:
        patched.setattr(query_run_module, "remove_outputs", die)
        with pytest.raises(Killed):
            run_query(folder)
    assert query_status(folder).state != "done"
    assert run_query(folder).counts["picked"] == 5
    status = query_status(folder)
    assert (status.state, status.done, status.error) == ("done", 60, "")
    assert not kept(folder)


def test_a_cancelled_query_keeps_no_outputs(images, monkeypatch: pytest.MonkeyPatch) -> None:
    pool, _ = images
    folder = in_need(pool)
    stopped_in_selecting(folder, monkeypatch)
    assert kept(folder)
    cancel_query(folder)
    assert not kept(folder)


def test_broken_files_are_listed(images) -> None:
    pool, folder = images
    (folder / "007.png").unlink()
    result = pool.query(10, model=Colours(), scan={"batch": 7})
    assert result.counts["scored"] == 53
    found = {one.uri.rpartition("/")[2]: one for one in result.failures}
    assert {name: one.reason for name, one in found.items()} == {
        "007.png": "missing",
        **{f"{number:03}.png": "broken" for number in range(3, 60, 10)},
    }
    assert "Not an image of a known format" in found["013.png"].message
    assert str(folder) not in found["007.png"].message  # journals hold ids, not content
    wanted = [n for n in range(60) if n % 10 != 3 and n != 7]
    scores = np.array([1 - max(n * 4 / 255, 1 - n * 4 / 255) for n in wanted])
    best = {f"{wanted[n]:03}.png" for n in np.argsort(-scores)[:10]}
    assert {pick.uri.rpartition("/")[2] for pick in result.picks} == best


def test_a_new_model_reads_and_decodes_nothing_again(images) -> None:
    pool, folder = images
    before = pool.query(10, model=Colours())
    broken = sorted(one.uri for one in before.failures)
    for path in folder.glob("*.png"):
        path.rename(path.with_suffix(".moved"))
    new = Colours("colours-2")
    after = pool.query(5, model=new, where={"uri": ["*/00[0-24-9].png", "*/1[0-24-9].png"]})
    assert (after.counts["read"], after.counts["decoded"]) == (0, 0)
    assert new.seen == after.counts["candidates"] == after.counts["scored"] > 0
    assert len(broken) == 6


def test_an_item_that_changed_is_noticed(images) -> None:
    pool, folder = images
    (folder / "000.png").write_bytes((folder / "030.png").read_bytes() + b"\0")
    result = pool.query(10, model=Colours())
    assert result.counts["changed"] == 1
    assert "1 items changed since they were added" in result.notes[0]


def test_the_caches_may_vanish_at_any_moment(images) -> None:
    pool, _ = images
    wanted = pool.query(10, model=Colours()).digest
    folder = start_query(
        pool, {"strategy": "margin", "budget": 10, "scan": {"chunk": 10, "batch": 5}}
    )

    class Vanishing(Colours):
        def infer(self, batch, wanted):
            shutil.rmtree(pool.folder / "cache", ignore_errors=True)
            return super().infer(batch, wanted)

    result = run_query(folder, model=Vanishing("colours-3"))
    assert result.digest == wanted
    assert result.notes == ()


def full(*_: object) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_in_the_cache_is_survived(images, monkeypatch: pytest.MonkeyPatch) -> None:
    pool, _ = images
    monkeypatch.setattr(pages_module.os, "ftruncate", full)
    result = pool.query(10, model=Colours())
    assert result.counts["picked"] == 10
    assert any("cache of decoded was given up" in note for note in result.notes)
    assert any("No space left" in note for note in result.notes)


def test_a_full_disk_under_the_outputs_ends_the_query(
    images, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, _ = images
    scan = {"cache": False, "chunk": 20}
    folder = start_query(pool, {"budget": 5, "strategy": "k-center", "scan": scan})
    with monkeypatch.context() as patched:
        patched.setattr(outputs_module, "write_at", full)
        with pytest.raises(QueryFailed, match="No space left"):
            run_query(folder)
    assert query_status(folder).state == "failed"
    assert run_query(folder).counts["picked"] == 5  # once there is space again


def test_what_lies_between_the_stages_is_bounded(images) -> None:
    _, folder = images
    seen = []
    scan = {"cache": False, "memory_mb": 1, "batch": 4}
    settings = {"transform": {"modality": "image", "size": 128}}  # 48 KiB each, 2.8 MiB in all
    with Pool.create(folder.parent / "large", settings) as pool:
        pool.add(folder)
        pool.query(10, model=Colours(), scan=scan, progress=seen.append)
    assert 0 < seen[-1].held_mb <= 1.0
    assert seen[-1].memory_mb > seen[-1].held_mb


@pytest.mark.mpi
@pytest.mark.slow
def test_ranks_share_one_query(tmp_path: Path) -> None:
    with Pool.create(tmp_path / "pool", {"transform": {"modality": "text"}}) as pool:
        pool.add_items([{"text": f"text {number}"} for number in range(240)])
        asked = {"budget": 40, "model": {"use": "python", "function": "query_models:slowly"}}
        scan = {"chunk": 20, "cache": False}
        folder = start_query(pool, {**asked, "scan": scan, "engine": {"kind": "mpi"}})
        alone = run_query(start_query(pool, {**asked, "scan": scan}))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path])}
    command = [*mpiexec(3), sys.executable, "-c", RUN, str(folder)]
    subprocess.run(command, env=environment, check=True, timeout=100)
    assert query_result(folder).picks == alone.picks
    records = RunFolder(folder).journal_reader()
    assert len({r.data["worker"] for r in records if r.kind == CHUNK}) == 2


def test_the_caches_forget_an_item(images) -> None:
    pool, _ = images
    first = pool.query(10, model=Colours())
    row = first.picks[0].row
    forget(pool.folder / "cache", np.array([row]), [])
    again = Colours()
    assert pool.query(10, model=again).digest == first.digest
    assert again.seen == 1


LIGHT = """
import time
import numpy as np

def light(batch):
    time.sleep(0.03 * len(batch))
    first = batch[:, 0, 0, 0] / 255.0
    return np.stack([first, 1 - first], axis=1)
"""


def test_a_query_does_not_go_on_with_another_model(images, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "light_model.py").write_text(LIGHT)
    asked = {"budget": 3, "model": {"use": "python", "function": "light_model:light"}}
    pool, _ = images
    folder = start_query(pool, {**asked, "scan": {"batch": 8, "chunk": 8}})
    with pytest.raises(QueryStopped):
        run_query(folder, should_stop=lambda: 0 < query_status(folder).done < 60)
    (tmp_path / "light_model.py").write_text(LIGHT.replace("/ 255.0", "/ 300.0"))
    with pytest.raises(QueryFailed, match="The model, or what it is shown of items, has changed"):
        run_query(folder)
    (tmp_path / "light_model.py").write_text(LIGHT)
    assert run_query(folder).counts["picked"] == 3
