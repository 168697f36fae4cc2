"""Kill -9 of anything at any moment: nothing durable is lost, asked again or computed again."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from contextlib import suppress

import numpy as np
import pytest
from commanded import Site, until

from querist.campaign.campaign import Campaign
from querist.campaign.labels import LabelReader
from querist.core.batch import Batch

pytestmark = pytest.mark.kill
VICTIMS = {"early": 2, "controller": 6, "explorer.0-0": 4, "oracle.oracle-0": 4, "trainer-0": 4}


class Witness:
    """Sees after every kill what is in the journal, and holds the run to it ever after."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.seen: list[tuple[int, set[str]]] = []

    def look(self) -> None:
        """Remember which samples have a label now, and how long the oracle's log is."""
        length = len(self.site.calls())
        labels = {fact.data["sample"] for fact in self.site.facts("answer.label")}
        self.seen.append((length, labels))

    def testify(self) -> None:
        """No sample with a label was given to the oracle afterwards; no label was lost."""
        calls = self.site.calls()
        last = {fact.data["sample"] for fact in self.site.facts("answer.label")}
        for length, labels in self.seen:
            later = {call[1] for call in calls[length:] if call[0] == "begin"}
            assert not labels & later
            assert labels <= last


def strike(site: Site, process, victim: str, chance: random.Random):
    """Kill one process at a random moment; returns the controller that goes on, if any."""
    if victim == "early":
        time.sleep(chance.uniform(0.0, 1.0))  # while it is imported, or opens its workers
        site.kill(process)
        return None
    # Moments are counted in facts, so that they mean the same on slow machines.
    enough = len(site.facts()) + chance.randint(1, 25)
    until(lambda: process.poll() is not None or len(site.facts()) >= enough, pause=0.03)
    time.sleep(chance.uniform(0.0, 0.05))
    if victim == "controller":
        site.kill(process)
        return None
    if (pid := site.worker(victim)) is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return process if process.poll() is None else None


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_run_survives_twenty_kills(site: Site) -> None:
    site.configure(
        generators={"use": "fault_roles:Walkers", "options": {"log": "states.log"}},
        budget={"labels": 100},
    )
    chance, witness = random.Random(20), Witness(site)
    victims = [victim for victim, count in VICTIMS.items() for _ in range(count)]
    assert len(victims) == 20
    chance.shuffle(victims)
    process = None
    for victim in victims:
        process = process or site.begin()
        process = strike(site, process, victim, chance)
        witness.look()
    site.finish(process)
    site.nothing_left()
    witness.testify()
    the_record_is_whole(site, 100)
    generators_continued(site)


def the_record_is_whole(site: Site, budget: int) -> None:
    asked = Counter(fact.data["question"] for fact in site.facts("question.asked"))
    labels = site.facts("answer.label")
    labelled = Counter(fact.data["question"] for fact in labels)
    assert set(asked.values()) == {1}
    assert set(labelled.values()) == {1}
    assert set(labelled) <= set(asked)
    assert len(labels) == budget
    ended = {call[1] for call in site.calls() if call[0] == "end"}
    assert {fact.data["sample"] for fact in labels} <= ended

    versions = [fact.data["version"] for fact in site.facts("model.published")]
    assert versions == list(range(1, len(versions) + 1))
    epochs = [fact.data["epoch"] for fact in site.facts("run.started")]
    assert epochs == list(range(len(epochs)))
    times = [fact.data["t"] for fact in site.facts()]
    assert times == sorted(times)
    assert site.facts("run.ended")[-1].data["status"] == "finished"

    dataset = LabelReader(site.run / "journal").all()
    assert len(dataset) == budget
    x, y = dataset.inputs["x"], dataset.outputs["y"]
    # NumPy's vectorised functions may differ from the oracle's scalar ones in the last digit.
    assert np.allclose(y, np.sin(3 * x[:, 0]) * np.exp(-(x[:, 1] ** 2)), rtol=1e-12, atol=1e-14)
    model = Campaign.of_run(site.run).model(site.run)
    assert np.isfinite(model.predict(Batch.stack(x=x[:5])).mean["y"]).all()


def generators_continued(site: Site) -> None:
    """Each life begins with the state saved last (or, where its file was not there yet, before)."""
    saved, restored, fresh = [0], 0, 0
    lines = [line.split() for line in (site.folder / "states.log").read_text().splitlines()]
    for index, (word, steps) in enumerate(lines):
        if word == "saved":
            assert int(steps) > saved[-1] - 1
            saved.append(int(steps))
        elif word == "restored":
            restored += 1
            assert int(steps) in saved[-2:]
        elif index + 1 == len(lines) or lines[index + 1][0] != "restored":
            fresh += 1
            assert len(saved) <= 2  # killed before its first state was on the disk
    assert restored
    assert saved[-1] > 100


@pytest.mark.slow
def test_a_long_answer_outlives_the_controller_that_waited_for_it(site: Site) -> None:
    # The answer waits for the test, so that no load of the machine lets it come before the stop.
    log = {"log": "calls.log", "gate": "go", "seconds": [1.1, 1.2]}
    site.configure(
        oracles={"use": "fault_roles:Logged", "options": log, "workers": 1},
        initial=2,
        holdout=0.0,
        budget={"labels": 2},
    )
    process = site.begin()
    until(site.calls)
    process.send_signal(signal.SIGSTOP)  # from now on it receives nothing
    (site.folder / "go").touch()
    until(lambda: list((site.run / "outbox").glob("*.answer")))
    site.kill(process)
    ((_, first), *_) = site.calls()
    assert not site.facts("answer.label")
    site.finish()
    labels = {fact.data["sample"]: fact.data for fact in site.facts("answer.label")}
    assert len(labels) == 2
    assert labels[first]["origin"] == "outbox"
    assert labels[first]["cost"] > 1.0
    assert [call for call in site.calls() if call[1] == first] == [("begin", first), ("end", first)]
    assert not list((site.run / "outbox").glob("*.answer"))


def test_an_answer_outlives_the_worker_that_died_before_it_could_send_it(site: Site) -> None:
    # The worker puts its answer into the outbox and is killed on the way to the socket.
    (site.folder / "dying.py").write_text(
        "import os, signal\n"
        "from fault_roles import Logged\n"
        "from querist.store.outbox import Outbox\n"
        "class Dying(Logged):\n"
        "    def open(self, context):\n"
        "        put = Outbox.put\n"
        "        def put_and_die(box, *args):\n"
        "            put(box, *args)\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
        "        Outbox.put = put_and_die\n"
    )
    log = {"log": "calls.log", "seconds": [1.01, 1.02]}
    site.configure(
        oracles={"use": "dying:Dying", "options": log, "workers": 1},
        initial=1,
        holdout=0.0,
        budget={"labels": 1},
    )
    site.finish(site.begin())
    assert [call[0] for call in site.calls()] == ["begin", "end"]
    (label,) = site.facts("answer.label")
    assert label.data["origin"] == "outbox"
    assert len(site.facts("worker.lost")) == 1


def test_a_run_killed_while_it_was_prepared_still_gets_its_starting_labels(site: Site) -> None:
    x = np.linspace(-1, 1, 12).reshape(-1, 1) * np.ones(2)
    np.savez(site.folder / "labels.npz", **{"in/x": x})
    from querist.core.answers import Dataset
    from querist.sources.formats import write

    (site.folder / "labels.npz").unlink()
    given = Dataset(Batch.stack(x=x), Batch.stack(y=(x**2).sum(axis=1)))
    write(site.folder / "labels.npz", given)
    site.configure(
        oracles={"use": "function", "options": {"function": "fault_roles:square"}},
        start={"labels": "labels.npz"},
        initial=12,
        budget={"labels": 4},
    )
    campaign = Campaign.load(site.folder / "campaign.yaml")
    from querist.store.run_folder import RunFolder

    RunFolder.create(site.run, campaign._kept())  # and there it was killed
    site.finish()
    (imported,) = site.facts("labels.imported")
    assert imported.data["count"] == 12
    site.finish()  # once more: nothing is imported again
    assert len(site.facts("labels.imported")) == 1
    assert len(site.facts("answer.label")) == 4
