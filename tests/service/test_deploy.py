"""The files for containers: read, and held to what linters ask of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from querist.service.settings import load_settings


@pytest.fixture
def deploy(request) -> Path:
    return Path(request.config.rootpath) / "deploy"


@pytest.fixture
def steps(deploy: Path) -> list[tuple[str, str]]:
    text = (deploy / "Dockerfile").read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines)]


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
