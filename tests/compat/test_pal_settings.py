"""PAL's settings dictionary: read whole, refused with what is wrong."""

from __future__ import annotations

import json

import pytest

from querist.compat import pal
from querist.core.errors import ConfigError


def problems(package, **changes) -> str:
    with pytest.raises(ConfigError) as refused:
        pal.campaign({**package.settings, **changes}, package.folder)
    return str(refused.value)


def test_an_unknown_key_is_refused_with_the_nearest_one(package) -> None:
    told = problems(package, retrain_sise=3)
    assert "retrain_sise: PAL has no such setting. Did you mean 'retrain_size'?" in told


def test_missing_and_wrong_values_are_all_named(package) -> None:
    told = problems(package, gene_process=0, retrain_size="many")
    assert "gene_process: should be a whole number of 1 or more, got 0." in told
    assert "retrain_size: should be a whole number of 1 or more, got 'many'." in told
    assert "ml_process: is required but missing." in problems(package, ml_process=None)


def test_committees_of_two_sizes_are_refused(package) -> None:
    assert "they should be equal" in problems(package, ml_process=3)


def test_devices_must_be_as_many_as_processes(package) -> None:
    assert "gpu_ml: has 1 devices for ml_process: 2." in problems(package, gpu_ml=[0])


def test_a_syntax_error_is_told_before_anything_starts(package) -> None:
    package.change("oracle", "def run_calc", "def def run_calc")
    told = problems(package)
    assert "usr_pkg.oracle" in told
    assert "line 9" in told


def test_a_missing_file_is_named(package) -> None:
    (package.folder / "utils.py").unlink()
    assert "usr_pkg.utils: there is no file" in problems(package)


def test_more_explorers_than_generators_are_refused(package) -> None:
    with pytest.raises(ConfigError, match="from 1 to gene_process"):
        pal.campaign(package.settings, package.folder, explorers=4)


def test_kernels_may_be_given_one_by_one(package) -> None:
    usr_pkg = {n: str(package.folder / f"{n}.py") for n in ("generator", "model", "oracle")}
    with pytest.raises(ConfigError, match=r"usr_pkg.utils: is missing"):
        pal.campaign({**package.settings, "usr_pkg": usr_pkg})
    usr_pkg["utils"] = str(package.folder / "utils.py")
    made = pal.campaign({**package.settings, "usr_pkg": usr_pkg})
    assert made.settings.oracles["oracle"].workers == 2


def test_ranks_are_those_of_pal(package) -> None:
    found = pal.PalSettings.read(package.settings, package.folder)
    assert [found.rank(kernel, 0) for kernel in ("pred", "gene", "orcl", "ml")] == [2, 4, 7, 9]
    assert [found.device("predict", 1), found.device("train", 1)] == [1, -1]
    assert pal.PalSettings.of(json.loads(json.dumps(found.plain()))) == found


def test_both_spellings_of_the_dynamic_list_are_known(package) -> None:
    found = pal.PalSettings.read(package.settings, package.folder)
    assert found.dynamic_oracle_list
    plain = {k: v for k, v in package.settings.items() if k != "dynamic_orcale_list"}
    assert not pal.PalSettings.read(plain, package.folder).dynamic_oracle_list
    plain["dynamic_oracle_list"] = True
    assert pal.PalSettings.read(plain, package.folder).dynamic_oracle_list


@pytest.mark.parametrize("suffix", ["py", "json"])
def test_settings_files_are_read(package, suffix) -> None:
    path = package.folder / f"al_setting.{suffix}"
    text = json.dumps(package.settings)
    path.write_text(text if suffix == "json" else f"AL_SETTING = {package.settings!r}")
    assert pal.load_settings(path) == package.settings


def test_a_settings_file_without_settings_is_refused(package) -> None:
    with pytest.raises(ConfigError, match="AL_SETTING"):
        pal.load_settings(package.folder / "utils.py")
    with pytest.raises(ConfigError, match="does not exist"):
        pal.load_settings(package.folder / "nothing.py")


def test_split_gives_each_generator_and_member_a_rank_as_pal_does(package) -> None:
    made = pal.campaign(package.settings, package.folder, engine="mpi", placement="split").settings
    placement = made.placement
    assert (placement.kind, placement.by) == ("split", "member")
    assert placement.generators == package.settings["gene_process"] == len(made.generators)
    assert placement.predictors == package.settings["pred_process"]
    walkers = [role.options["walkers"] for role in made.generators]
    assert walkers == [[i] for i in range(len(walkers))]
    more = {"kind": "split", "max_wait": 1.0, "predictors": 1}
    made = pal.campaign(package.settings, package.folder, engine="mpi", placement=more).settings
    assert (made.placement.max_wait, made.placement.predictors) == (1.0, 1)
    plain = pal.campaign(package.settings, package.folder).settings
    assert plain.placement.kind == "colocated"
