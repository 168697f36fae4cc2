"""Factories make objects elsewhere, and their errors name the target."""

from __future__ import annotations

import pickle
from decimal import Decimal

import pytest

from querist.core.answers import Question
from querist.core.errors import ConfigError, RoleFailed
from querist.core.tasks import Factory, Spans, resolve, without_rank


def test_a_factory_imports_and_calls() -> None:
    factory = Factory.of("fractions:Fraction", numerator=1, denominator=2)
    assert not factory.is_live
    assert pickle.loads(pickle.dumps(factory)).create() == 0.5
    assert resolve("collections:OrderedDict.fromkeys")("a") == {"a": None}


def test_a_live_object_is_handed_out() -> None:
    thing = Decimal(1)
    factory = Factory.of(thing)
    assert factory.is_live
    assert factory.create() is thing
    assert Factory.of(factory) is factory


@pytest.mark.parametrize("target", ["numpy", "numpy:", ":zeros", ""])
def test_a_target_of_another_form_is_refused(target) -> None:
    with pytest.raises(RoleFailed, match=r"package\.module:attribute"):
        resolve(target)


def test_errors_name_the_target(tmp_path, monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "broken_problem.py").write_text("oops = undefined_name\n")
    (tmp_path / "half_problem.py").write_text("from math import no_such_function\n")
    for target, says in {
        "no_such_module:thing": "cannot import 'no_such_module'",
        "broken_problem:Oracle": "broken_problem.*undefined_name",
        "half_problem:Oracle": "half_problem.*no_such_function",
        "math:no_such": "module 'math' has no attribute 'no_such'",
    }.items():
        with pytest.raises(RoleFailed, match=says):
            resolve(target)


def test_refused_options_are_shown() -> None:
    with pytest.raises(RoleFailed, match=r"fractions:Fraction refused x=3: .*'x'") as caught:
        Factory("fractions:Fraction", {"x": 3}).create()
    assert isinstance(caught.value.__cause__, TypeError)


def test_options_need_an_import_path() -> None:
    with pytest.raises(ConfigError, match=r"only an import path takes options \(\['a'\]\)"):
        Factory.of(Decimal(1), a=1)


def test_questions_and_spans_say_what_they_are() -> None:
    assert Question("s", "f", 2).id == "s.f.2"
    assert Spans(started=1.0, finished=3.5).seconds == 2.5


RANK = {"OMPI_COMM_WORLD_RANK": "3", "PMIX_RANK": "3", "PMI_FD": "9", "PRTE_MCA_x": "y"}


def test_a_rank_s_variables_are_removed_for_what_it_starts() -> None:
    own = {"PATH": "/bin", "SLURM_JOB_ID": "7", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    assert without_rank({**own, **RANK}) == own
    for mark in ("PALS_RANKID", "JSM_NAMESPACE_RANK", "FLUX_TASK_RANK", "PMI_RANK"):
        assert without_rank({**own, mark: "3", "HYDRA_X": "y", "PMIX_NAMESPACE": "z"}) == own
    kept = {**own, "OMPI_MCA_btl": "tcp"}  # somebody's own, where nothing was launched
    assert without_rank(kept) == kept
