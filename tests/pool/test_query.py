"""Queries from their settings to their picks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from query_models import Everything, two_classes

from querist.core.errors import ConfigError, RunError
from querist.pool.pool import Pool
from querist.pool.query import (
    cancel_query,
    queries,
    query_failures,
    query_result,
    query_status,
    run_query,
    settings_of,
    start_query,
)
from querist.pool.query_errors import QueryCancelled, QueryFailed, QueryStopped, QueryUnfinished
from querist.pool.query_state import CHUNK
from querist.pool.rounds_settings import parse_rounds, query_of
from querist.store.errors import RunLocked
from querist.store.run_folder import RunFolder
from querist.strategies.errors import UnknownStrategy
from querist.strategies.selecting import select

TEXTS = [f"text number {number}" for number in range(300)]


@pytest.fixture
def texts(tmp_path: Path):
    settings = {"transform": {"modality": "text"}, "classes": ("no", "yes")}
    with Pool.create(tmp_path / "texts", settings) as pool:
        pool.add_items([{"text": text, "id": f"t{n}"} for n, text in enumerate(TEXTS)])
        yield pool


def model(function: str = "two_classes") -> dict:
    return {"use": "python", "function": f"query_models:{function}"}


def asked(**more) -> dict:
    return {"model": model(), "strategy": "least-confidence", "budget": 20, **more}


def test_the_name_of_an_engine_is_enough(texts: Pool) -> None:
    assert settings_of(RunFolder(start_query(texts, asked(engine="mpi")))).engine.kind == "mpi"
    rounds = parse_rounds({"rounds": 1, "budget": 1, "engine": "processes"})
    assert query_of(rounds, 0, None, first=True)["engine"] == {"kind": "processes"}
    with pytest.raises(ConfigError, match="processes"):
        start_query(texts, asked(engine="procces"))


def test_picks_what_the_strategy_picks_of_the_model_s_outputs(texts: Pool) -> None:
    folder = start_query(texts, asked())
    assert query_status(folder).state == "queued"
    result = run_query(folder)
    wanted = select("least-confidence", 20, rng=0, probabilities=two_classes(TEXTS))
    assert result.ids == [f"t{n}" for n in wanted.indices]
    np.testing.assert_allclose([pick.score for pick in result.picks], wanted.scores, rtol=1e-6)
    assert result.counts["candidates"] == 300
    assert result.counts["scored"] == 300
    assert result.counts["picked"] == 20
    assert result.picks[0].why.startswith("least-confidence 0.")
    assert "the model says" in result.picks[0].why
    status = query_status(folder)
    assert (status.state, status.done, status.total) == ("done", 300, 300)
    assert query_result(folder) == result
    assert [one.id for one in queries(texts)] == [result.id]


def test_a_query_in_one_line(texts: Pool) -> None:
    result = texts.query(model=model(), strategy="margin", budget=0.1, seed=3)
    wanted = select("margin", 30, rng=3, probabilities=two_classes(TEXTS))
    assert result.ids == [f"t{n}" for n in wanted.indices]


def test_settings_that_cannot_be_are_refused(texts: Pool) -> None:
    with pytest.raises(ConfigError, match=r"(?s)budgett.*Did you mean 'budget'"):
        start_query(texts, {"budgett": 3})
    for budget in (0, -1, 1.5, True, float("nan")):
        with pytest.raises(ConfigError, match="budget"):
            start_query(texts, asked(budget=budget))
    with pytest.raises(ConfigError, match=r"scan.bach: unknown key. Did you mean 'batch'"):
        start_query(texts, asked(scan={"bach": 3}))
    with pytest.raises(UnknownStrategy, match="Did you mean 'margin'"):
        start_query(texts, asked(strategy="margn"))
    with pytest.raises(ConfigError, match="needs inputs, model, which a query"):
        start_query(texts, asked(strategy="deepfool"))
    assert queries(texts) == []


def test_more_than_there_is_cannot_be_picked(texts: Pool) -> None:
    folder = start_query(texts, asked(budget=301))
    with pytest.raises(ConfigError, match="301 items are to be picked, but only 300"):
        run_query(folder)
    status = query_status(folder)
    assert (status.state, status.stage) == ("failed", "listing")
    assert "Lower the budget" in status.error


def test_a_strategy_that_the_model_cannot_serve_is_told(texts: Pool) -> None:
    folder = start_query(texts, asked(strategy="bald"))
    with pytest.raises(QueryFailed, match="needs member_probabilities, but the model gives prob"):
        run_query(folder)
    assert query_status(folder).state == "failed"
    with pytest.raises(QueryFailed):
        query_result(folder)


def test_only_what_is_needed_is_computed(texts: Pool) -> None:
    one = Everything()
    texts.query(5, model=one, strategy="margin")
    assert one.wanted == {"probabilities"}
    other = Everything()
    texts.query(5, model=other, strategy="k-center")
    assert other.wanted == {"embeddings"}
    none = Everything()
    result = texts.query(5, model=none, strategy="random", seed=2)
    assert none.seen == 0
    assert len(set(result.ids)) == 5


def test_a_second_query_of_the_same_model_scores_nothing_again(texts: Pool) -> None:
    first, second = Everything(), Everything()
    before = texts.query(30, model=first)
    texts.label(dict.fromkeys(before.ids, "yes"))
    after = texts.query(30, model=second)
    assert (first.seen, second.seen) == (300, 0)
    assert not set(after.ids) & set(before.ids)
    everything = select("least-confidence", 60, rng=0, probabilities=two_classes(TEXTS))
    assert {*before.ids, *after.ids} == {f"t{n}" for n in everything.indices}


def test_labelled_items_are_embedded_where_the_strategy_uses_them(texts: Pool) -> None:
    texts.label({"t7": "yes", "t8": "no"})
    result = texts.query(3, model=Everything(), strategy="k-center")
    made = Everything().infer(TEXTS, frozenset({"embeddings"}))["embeddings"]
    rest = [n for n in range(300) if n not in (7, 8)]
    wanted = select("k-center", 3, embeddings=made[rest], labelled_embeddings=made[[7, 8]], rng=0)
    assert result.ids == [f"t{rest[n]}" for n in wanted.indices]
    assert result.counts["candidates"] == 298


def test_labels_are_counted_from_none_on(texts: Pool) -> None:
    made = Everything().infer(TEXTS, frozenset({"embeddings"}))["embeddings"]
    first = texts.query(3, model=Everything(), strategy="mcpal")
    wanted = select("mcpal", 3, embeddings=made, rng=0)
    assert first.ids == [f"t{n}" for n in wanted.indices]
    known = [int(one[1:]) for one in first.ids]
    texts.label(dict(zip(first.ids, ("yes", "no", "yes"), strict=True)))
    second = texts.query(3, model=Everything(), strategy="mcpal")
    rest = [n for n in range(300) if n not in known]
    wanted = select(
        "mcpal",
        3,
        embeddings=made[rest],
        labelled_embeddings=made[sorted(known)],
        labelled_classes=[{known[0]: 1, known[1]: 0, known[2]: 1}[n] for n in sorted(known)],
        rng=0,
    )
    assert second.ids == [f"t{rest[n]}" for n in wanted.indices]


def test_classes_of_labels_reach_the_strategy(texts: Pool) -> None:
    texts.label({"t7": "yes", "t8": "no"})
    with pytest.raises(ConfigError, match="labels"):
        start_query(Pool.create(texts.folder.parent / "empty"), asked(strategy="gsy"))
    folder = start_query(texts, asked(strategy="gsy"))
    with pytest.raises(QueryFailed, match="needs predictions"):
        run_query(folder)


def test_items_that_the_model_cannot_take_are_listed(tmp_path: Path) -> None:
    settings = {"transform": {"modality": "text"}}
    with Pool.create(tmp_path / "bad", settings) as pool:
        texts = [
            f"{'nan' if n % 10 == 3 else 'raise' if n % 50 == 5 else 'text'} {n}"
            for n in range(200)
        ]
        pool.add_items([{"text": text, "id": f"t{n}"} for n, text in enumerate(texts)])
        result = pool.query(20, model=model("broken_at_times"), scan={"batch": 16})
        bad = [n for n, text in enumerate(texts) if not text.startswith("text")]
        assert {one.id: one.reason for one in result.failures} == {
            f"t{n}": "not-finite" if "nan" in texts[n] else "model" for n in bad
        }
        assert result.counts["failed"] == len(bad) == 24
        assert result.counts["scored"] == 176
        nan = next(one for one in result.failures if one.reason == "not-finite")
        assert nan.message == "The model's probabilities of the item are NaN or infinite."
        refused = next(one for one in result.failures if one.reason == "model")
        assert "a text that this model cannot take" in refused.message
        assert not {f"t{n}" for n in bad} & set(result.ids)
        folder = result.folder
        pages = [query_failures(folder, after, 10) for after in (0, 10, 20, 30)]
        assert [len(page) for page in pages] == [10, 10, 4, 0]
        assert [one for page in pages for one in page] == result.failures


def test_too_many_broken_items_end_the_query(tmp_path: Path) -> None:
    with Pool.create(tmp_path / "bad", {"transform": {"modality": "text"}}) as pool:
        pool.add_items([{"text": f"{'nan' if n % 3 else 'text'} {n}"} for n in range(300)])
        folder = start_query(pool, {"budget": 5, "model": model("broken_at_times")})
        with pytest.raises(QueryFailed, match="items are broken, more than the 50%"):
            run_query(folder)
        assert query_status(folder).failed >= 50


def test_a_model_that_fails_altogether_is_told_once(tmp_path: Path) -> None:
    with Pool.create(tmp_path / "bad", {"transform": {"modality": "text"}}) as pool:
        pool.add_items([{"text": f"raise {n}"} for n in range(100)])
        with pytest.raises(QueryFailed, match="a text that this model cannot take"):
            pool.query(5, model=model("broken_at_times"))


def test_a_query_is_cancelled_before_it_runs(texts: Pool) -> None:
    folder = start_query(texts, asked())
    assert cancel_query(folder, "no longer wanted").state == "cancelled"
    with pytest.raises(QueryCancelled, match="no longer wanted"):
        run_query(folder)
    with pytest.raises(QueryCancelled):
        query_result(folder)
    assert query_status(folder).error == "no longer wanted"


def test_a_query_is_cancelled_while_it_runs(texts: Pool) -> None:
    folder = start_query(texts, asked(model=model("slowly"), scan={"chunk": 20, "batch": 10}))
    seen = []

    def progress(status) -> None:
        seen.append(status.state)
        if status.done >= 40:
            cancel_query(folder)

    with pytest.raises(QueryCancelled):
        run_query(folder, progress)
    assert query_status(folder).state == "cancelled"
    assert seen[0] == "running"
    assert query_status(folder).done < 300


def test_a_done_query_is_not_cancelled(texts: Pool) -> None:
    folder = texts.query(3, model=model()).folder
    assert cancel_query(folder).state == "done"
    assert run_query(folder).counts["picked"] == 3


def test_a_stopped_query_goes_on_where_it_was(texts: Pool) -> None:
    scan = {"chunk": 20, "batch": 10, "cache": False}
    folder = start_query(texts, asked(model=model("slowly"), scan=scan))
    with pytest.raises(QueryUnfinished):
        query_result(folder)
    done = []
    with pytest.raises(QueryStopped):
        run_query(folder, lambda status: done.append(status.done), lambda: done[-1] >= 40)
    stopped = query_status(folder)
    assert (stopped.state, stopped.done >= 40, stopped.done < 300) == ("stopped", True, True)
    calls = []
    result = run_query(folder, lambda status: calls.append(status.done))
    assert min(calls[1:]) >= stopped.done
    again = texts.query(20, strategy="least-confidence", model=model("slowly"), scan=scan)
    assert result.picks == again.picks
    assert result.digest == again.digest


def test_two_cannot_run_one_query(texts: Pool) -> None:
    folder = start_query(texts, asked())
    with RunFolder(folder).lock(), pytest.raises(RunLocked):
        run_query(folder)


def test_a_batchwise_strategy_leaves_out_what_failed(tmp_path: Path) -> None:
    class Sometimes(Everything):
        def infer(self, batch, wanted):
            made = super().infer(batch, wanted)
            made["embeddings"][["nan" in text for text in batch]] = np.nan
            return made

    with Pool.create(tmp_path / "bad", {"transform": {"modality": "text"}}) as pool:
        texts = [f"{'nan' if n % 10 == 3 else 'text'} {n}" for n in range(100)]
        pool.add_items([{"text": text, "id": f"t{n}"} for n, text in enumerate(texts)])
        result = pool.query(7, model=Sometimes(), strategy="k-center", scan={"chunk": 30})
    good = [n for n, text in enumerate(texts) if "nan" not in text]
    embeddings = Everything().infer(texts, frozenset({"embeddings"}))["embeddings"][good]
    wanted = select("k-center", 7, embeddings=embeddings, rng=0)
    assert result.ids == [f"t{good[n]}" for n in wanted.indices]
    assert not list((result.folder / "outputs").glob("*"))


def test_copies_are_picked_once(tmp_path: Path) -> None:
    with Pool.create(tmp_path / "copies", {"transform": {"modality": "text"}}) as pool:
        folder = tmp_path / "files"
        folder.mkdir()
        for number in range(40):
            (folder / f"{number:02}.txt").write_text(f"text {number % 20}")
        pool.add(folder)
        result = pool.query(20, model=model(), scan={"chunk": 7})
        assert result.counts["copies"] == 20
        names = sorted(pick.uri.rpartition("/")[2] for pick in result.picks)
        assert names == [f"{number:02}.txt" for number in range(20)]
        assert pool.counts()["duplicate"] == 20


def test_a_pool_that_grows_meanwhile_changes_nothing(texts: Pool) -> None:
    folder = start_query(texts, asked(model=model("slowly"), scan={"chunk": 20, "batch": 10}))

    def grow(status) -> None:
        if status.done == 20:
            texts.add_items([{"text": "another text"}])

    assert run_query(folder, grow).counts["candidates"] == 300


def test_one_query_is_shared_by_processes(texts: Pool) -> None:
    scan = {"chunk": 40, "cache": False}
    alone = texts.query(25, model=model(), scan=scan)
    engine = {"kind": "processes", "workers": 2, "threads": 1}
    shared = texts.query(25, model=model(), scan=scan, engine=engine)
    assert shared.picks == alone.picks
    workers = {
        r.data["worker"] for r in RunFolder(shared.folder).journal_reader() if r.kind == CHUNK
    }
    assert workers == {"scan.0-0", "scan.1-0"}


def test_processes_share_out_the_gpus(
    texts: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    (tmp_path / "seen").mkdir()
    placed = {"use": "python", "object": "query_models:Placed"}
    placed["options"] = {"folder": str(tmp_path / "seen")}
    engine = {"kind": "processes", "workers": 2, "threads": 1, "device": "cuda"}
    found = texts.query(25, model=placed, strategy="margin", engine=engine, scan={"chunk": 20})
    assert found.picks == texts.query(25, model=model(), strategy="margin").picks
    said = sorted(file.read_text() for file in (tmp_path / "seen").iterdir())
    assert said == ["cuda:0 of 5", "cuda:0 of 7"]
    with pytest.raises(ConfigError, match="device: cuda instead of cuda:1"):
        start_query(texts, asked(engine={**engine, "device": "cuda:1"}))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(RunError, match=r"wants 0\.5 GPUs"):
        texts.query(25, model=placed, engine=engine)


@pytest.mark.slow
def test_an_item_that_ends_its_worker_is_found(tmp_path: Path) -> None:
    with Pool.create(tmp_path / "bad", {"transform": {"modality": "text"}}) as pool:
        texts = [f"{'fatal' if n == 11 else 'text'} {n}" for n in range(24)]
        pool.add_items([{"text": text, "id": f"t{n}"} for n, text in enumerate(texts)])
        engine = {"kind": "processes", "workers": 1, "threads": 1}
        result = pool.query(5, model=model("fatal"), engine=engine, scan={"chunk": 8})
    assert [(one.id, one.reason) for one in result.failures] == [("t11", "fatal")]
    assert result.counts["scored"] == 23
