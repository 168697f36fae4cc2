"""The gest-api standard in both directions, with the package that defines it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from gest_api.generator import Generator
from gest_api.vocs import VOCS
from gest_problems import Halton
from tuning_problems import GOAL, SPACE

from querist.core.errors import ContractError
from querist.generators.uniform import Uniform
from querist.tuning.search import make_search
from querist.tuning.searches.gest import gest_explorer, gest_generator, problem_of, vocs_of
from querist.tuning.study import Study
from querist.tuning.trial import Problem, Trial

PLAIN = {"x": {"real": [0.0, 1.0]}, "k": {"integer": [1, 4]}, "m": {"choice": ["a", "b"]}}


def test_a_problem_and_a_vocs_say_the_same() -> None:
    goal = {"maximise": "f", "constraints": {"c": {"at_most": 1.0}, "d": {"at_least": 2.0}}}
    goal["constraints"]["e"] = {"at_least": 0.0, "at_most": 3.0}
    problem = Problem.read(PLAIN, goal, 5, 2)
    back = problem_of(vocs_of(problem), 5, 2)
    assert (back.output, back.maximise, set(back.limits)) == ("f", True, set(problem.limits))
    assert back.space.settings["x"] == problem.space.settings["x"]
    assert back.space.settings["k"].choices == (1, 2, 3, 4)


def test_a_generator_of_the_standard_gets_its_points_back_with_their_identifiers() -> None:
    problem = Problem.read(SPACE, GOAL, 10, 0)
    search = make_search("gest", problem, {"generator": Halton})
    search.tell(
        [Trial({"x": 0.1, "rate": 0.1, "order": 2, "method": "a"}, {"loss": 1, "error": 2})]
    )
    assert "_id" not in search.generator.ingested[0]
    assert 0.0 <= search.generator.ingested[0]["mix"] <= 1.0  # the standard has no conditions
    points = search.ask(4, [])
    search.tell([Trial(points[0], {}, 1.0, "broke"), Trial(points[1], {"loss": 1, "error": 2})])
    failed, good = search.generator.ingested[1:]
    assert math.isnan(failed["loss"])
    assert math.isnan(failed["error"])
    assert (good["loss"], good["_id"], failed["_id"]) == (1, 1, 0)
    assert search.generator._open == {2, 3}


def test_a_study_runs_on_a_generator_of_the_standard(tmp_path) -> None:
    study = Study(
        space=PLAIN,
        maximise="f",
        simulation=lambda x, k, m: {"f": x + k + (m == "b")},
        search={"use": "gest", "options": {"generator": "gest_problems:Halton"}},
        budget={"runs": 8},
        engine="inline",
    )
    result = study.run(tmp_path / "run", progress=False)
    assert (result.status, len(result.trials)) == ("finished", 8)
    assert result.best.outputs["f"] == max(trial.outputs["f"] for trial in result.trials)


def test_a_generator_may_end_what_it_runs_beside_itself(tmp_path) -> None:
    """As libEnsemble's APOSMM, whose optimisers are processes that outlived the study."""

    class Busy(Halton):
        def finalize(self) -> None:
            (tmp_path / "finalized").touch()

    ran = Study(
        space={"x": {"real": [0, 1]}},
        minimise="y",
        simulation=lambda x: x,
        search={"use": "gest", "options": {"generator": Busy}},
        budget={"runs": 2},
        engine="inline",
    ).run(tmp_path / "run", progress=False)
    assert len(ran.trials) == 2
    assert (tmp_path / "finalized").exists()


def test_what_has_no_suggest_is_refused() -> None:
    with pytest.raises(ContractError, match="suggest and ingest"):
        make_search("gest", Problem.read(PLAIN, {"minimise": "f"}, 3, 0), {"generator": object()})


VOCAL = VOCS(
    variables={"x": [0.0, 1.0], "k": {1, 2, 4}},
    objectives={"f": "MINIMIZE"},
    constraints={"g": ["LESS_THAN", 0.8]},
    constants={"beam": 7},
)


def test_a_search_is_a_generator_of_the_standard() -> None:
    generator = gest_generator(VOCAL, "gp", runs=14, seed=3, candidates=64)
    assert isinstance(generator, Generator)
    best, seen = math.inf, set()
    for _ in range(7):
        points = generator.suggest(2)
        assert len(points) == 2
        for point in points:
            assert point["beam"] == 7
            seen.add((point["x"], point["k"]))
            point |= {"f": (point["x"] - 0.6) ** 2 + (point["k"] - 2) ** 2, "g": point["x"]}
            best = min(best, point["f"])
        generator.ingest(points)
    generator.finalize()
    assert len(seen) == 14
    assert best < 0.01


def test_results_that_are_not_finite_are_failures_and_the_end_is_an_error() -> None:
    generator = gest_generator(VOCS(variables={"k": {1, 2}}, objectives={"f": "MINIMIZE"}), "grid")
    [point] = generator.suggest(1)
    generator.ingest([{**point, "f": math.nan}])
    with pytest.raises(ValueError, match="2 points were asked for, 1 are left"):
        generator.suggest(2)


@pytest.mark.parametrize(
    "vocs",
    [
        VOCS(variables={"x": [0, 1]}, objectives={"f": "EXPLORE"}),
        VOCS(variables={"x": [0, 1]}, objectives={"f": "MINIMIZE", "g": "MINIMIZE"}),
        VOCS(variables={"x": "CONTEXTUAL"}, objectives={"f": "MINIMIZE"}),
    ],
)
def test_a_vocs_that_a_search_cannot_use_is_a_value_error(vocs) -> None:
    with pytest.raises(ValueError, match=r"objective|bounds"):
        gest_generator(vocs)


class Told(Uniform):
    """Remembers the answers that came back."""

    def observe(self, feedback) -> None:
        self.answers = [*getattr(self, "answers", []), *feedback.answers]
        super().observe(feedback)


class Walker(Told):
    """Samples with a field for each variable."""

    def propose(self):
        proposal = super().propose()
        from querist.core.batch import Batch
        from querist.core.prediction import Proposal

        x = proposal.batch["x"]
        return Proposal(Batch.stack(a=x[:, 0], b=x[:, 1]), proposal.walkers)


def test_any_generator_of_ours_is_one_of_the_standard() -> None:
    walker = Walker(low=[0, 0], high=[1, 2], batch=3, seed=1)
    vocs = VOCS(variables={"a": [0, 1], "b": [0, 2]}, objectives={"f": "MINIMIZE"})
    generator = gest_explorer(walker, vocs)
    assert isinstance(generator, Generator)
    points = [*generator.suggest(2), *generator.suggest(2)]
    assert len({point["_id"] for point in points}) == 4
    generator.ingest([{**point, "f": 1.0} for point in points[:2]])
    generator.ingest([{**points[2], "f": math.nan}, {"a": 0.1, "b": 0.2, "f": 3.0}])
    outputs = [answer.outputs for answer in walker.answers]
    assert [None if o is None else float(o["f"]) for o in outputs] == [1.0, 1.0, None]
    assert np.isclose(float(walker.answers[0].sample["a"]), points[0]["a"])
    with pytest.raises(ValueError, match="no point with _id"):
        generator.ingest([{**points[0], "f": 1.0}])
