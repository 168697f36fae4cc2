"""Tries the Dockerfile and the compose file on a machine that has no container engine.

``python tools/container.py`` (Linux, as root). Every instruction of ``deploy/Dockerfile`` is done
in a copy-on-write view of this machine's files that vanishes afterwards (``unshare``, overlay and
chroot; this machine stands for the base image), as the user it says. Then the services of
``deploy/compose.yaml`` that are built from it are started with their files, volumes, secrets and
restrictions; the health check is run; a pool is made and queried through the service, with its job
run by the worker; SIGTERM must end both. Set QUERIST_POSTGRES (``sh tools/postgres.sh python
tools/container.py``), otherwise both share SQLite.

What is not tried: the base images themselves, the postgres service, published ports, restarts.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml

HERE = Path(__file__).resolve().parents[1]
DEPLOY = HERE / "deploy"
ORDINARY = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
KEPT = re.compile("PIP_.*|.*_PROXY|.*_proxy|SSL_CERT_FILE|XDG_CONFIG_DIRS|QUERIST_POSTGRES")
URL = "http://127.0.0.1:8600"
KEY = f"qk_{'a' * 20}_{'b' * 52}"


class Step(NamedTuple):
    """One instruction of a Dockerfile."""

    word: str
    rest: str


def steps_of(text: str) -> Iterator[Step]:
    """The instructions of a Dockerfile, comments left out and continued lines joined."""
    kept = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\s*\n", " ", "\n".join(kept))
    for line in filter(str.strip, joined.splitlines()):
        word, _, rest = line.strip().partition(" ")
        yield Step(word.upper(), rest.strip())


def say(text: str) -> None:
    """One line for whoever watches."""
    print(text, flush=True)


def sh(*command: str | Path) -> None:
    """Run a command that must succeed."""
    subprocess.run([str(part) for part in command], check=True)


class Root:
    """A file system of its own: a view of another one, whose changes go into a folder.

    Args:
        scratch: Where changes go.
        below: What is seen through it.
    """

    def __init__(self, scratch: Path, below: Path = Path("/")) -> None:
        upper, work, self.path = (scratch / name for name in ("upper", "work", "root"))
        for folder in (upper, work, self.path):
            folder.mkdir(parents=True)
        options = f"lowerdir={below},upperdir={upper},workdir={work}"
        sh("mount", "-t", "overlay", "overlay", "-o", options, self.path)
        for name in ("dev", "proc", "sys"):
            sh("mount", "--rbind", f"/{name}", self.path / name)
        sh("mount", "-t", "tmpfs", "tmpfs", self.path / "tmp")

    def at(self, place: str) -> Path:
        """A path inside, as seen from outside."""
        return self.path / place.lstrip("/")

    def command(self, line: Sequence[str], image: Image, confined: bool = False) -> list[str]:
        """What runs a command inside, as the image's user."""
        given = {k: v for k, v in os.environ.items() if KEPT.fullmatch(k)} if not confined else {}
        told = {"PATH": ORDINARY, "HOME": "/", **given, **image.env}
        user = image.user or "0"
        limits = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"]
        if confined:
            limits += ["--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
        env = ["env", "-i", *(f"{name}={value}" for name, value in told.items())]
        inside = f"cd {shlex.quote(image.workdir)} && exec {shlex.join([*limits, *env, *line])}"
        return ["chroot", str(self.path), "sh", "-c", inside]


@dataclass
class Image:
    """What a Dockerfile says of the processes that will run."""

    env: dict[str, str] = field(default_factory=dict)
    user: str = ""
    workdir: str = "/"
    entrypoint: list[str] = field(default_factory=list)
    cmd: list[str] = field(default_factory=list)
    health: list[str] = field(default_factory=list)


class Build:
    """Does the instructions of a Dockerfile, stage by stage.

    Args:
        scratch: Where everything goes.
        context: What COPY copies from.
    """

    def __init__(self, scratch: Path, context: Path) -> None:
        self.scratch, self.context = scratch, context
        self.stages: dict[str, Root] = {}
        self.root: Root | None = None
        self.image = Image()

    def do(self, step: Step) -> None:
        """One instruction."""
        say(f"  {step.word} {step.rest}"[:110])
        doing = getattr(self, f"_{step.word.lower()}", None)
        if doing is None:
            raise SystemExit(f"{step.word} is not known to this tool.")
        doing(step.rest)

    def _from(self, rest: str) -> None:
        image, _, name = rest.partition(" AS ")
        version = re.match(r"python:(\d+\.\d+)", image)
        if version is None:
            raise SystemExit(f"{image}: only images of Python are known to this tool.")
        self.root = self.stages[name or "last"] = Root(self.scratch / (name or "last"))
        self.image = Image()
        python = self.root.at("/usr/local/bin/python")
        python.parent.mkdir(parents=True, exist_ok=True)
        python.unlink(missing_ok=True)
        python.symlink_to(interpreter(version[1]))
        # The image's user must reach an interpreter that may be in a home folder.
        for folder in interpreter(version[1]).parents[:-1]:
            self.root.at(str(folder)).chmod(0o755)

    def _workdir(self, rest: str) -> None:
        self.image.workdir = rest
        self._root.at(rest).mkdir(parents=True, exist_ok=True)

    def _env(self, rest: str) -> None:
        known = {"PATH": ORDINARY, **self.image.env}
        for pair in shlex.split(rest):
            name, _, value = pair.partition("=")
            self.image.env[name] = re.sub(r"\$(\w+)", lambda m: known.get(m[1], ""), value)

    def _copy(self, rest: str) -> None:
        words = rest.split()
        base = self.context
        if words[0].startswith("--from="):
            base = self.stages[words.pop(0).removeprefix("--from=")].path
        *sources, target = words
        place = self._root.at(str(Path(self.image.workdir) / target))
        for source in sources:
            found = base / source.lstrip("/")
            if found.is_dir():
                ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
                shutil.copytree(found, place, symlinks=True, dirs_exist_ok=True, ignore=ignore)
            else:
                shutil.copy2(found, place)

    def _run(self, rest: str) -> None:
        done = subprocess.run(self._root.command(["sh", "-c", rest], self.image), check=False)
        if done.returncode:
            raise SystemExit(f"RUN ended with {done.returncode}: {rest}")

    def _user(self, rest: str) -> None:
        self.image.user = rest

    def _entrypoint(self, rest: str) -> None:
        self.image.entrypoint = json.loads(rest)

    def _cmd(self, rest: str) -> None:
        self.image.cmd = json.loads(rest)

    def _healthcheck(self, rest: str) -> None:
        self.image.health = json.loads(rest.partition("CMD")[2])

    def _noted(self, rest: str) -> None:
        """Nothing to do outside a container engine."""

    _volume = _expose = _stopsignal = _noted

    @property
    def _root(self) -> Root:
        if self.root is None:
            raise SystemExit("The first instruction should be FROM.")
        return self.root


def interpreter(version: str) -> Path:
    """A Python of this version, as the base image has one."""
    name = f"python{version}"
    found = shutil.which(name, path=ORDINARY) or shutil.which(name)
    if found is None:
        raise SystemExit(f"There is no Python {version} here.")
    return Path(found).resolve()


class Container:
    """A service of the compose file, running.

    Args:
        name: In the compose file.
        told: Its section.
        image: What it runs.
        places: Scratch folder, the image's files, and the folders of named volumes.
    """

    def __init__(
        self, name: str, told: dict[str, Any], image: Image, places: tuple[Path, Path, Path]
    ) -> None:
        scratch, files, volumes = places
        self.name, self.image, self.root = name, image, Root(scratch / name, files)
        for volume in told["volumes"]:
            source, target, *_ = volume.split(":")
            folder = DEPLOY / source if source.startswith(".") else volumes / source
            self._mount(folder, self.root.at(target))
        for secret in told.get("secrets", ()):
            self._mount(volumes / "secrets" / secret, self.root.at(f"/run/secrets/{secret}"))
        self._settle(self.root.at("/etc/querist/service.yaml"))
        if told.get("read_only"):
            sh("mount", "-o", "remount,ro,bind", self.root.path, self.root.path)
        line = self.root.command([*image.entrypoint, *told["command"]], image, confined=True)
        self.log = scratch / f"{name}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(line, stdout=log, stderr=log)

    def _mount(self, source: Path, target: Path) -> None:
        """As the engine does; files are copied, as the settings are changed below."""
        if source.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            sh("mount", "--bind", source, target)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)
            target.chmod(0o444)

    def _settle(self, path: Path) -> None:
        """The index is that of this trial: there is no host named postgres here."""
        told = yaml.safe_load(path.read_text())
        url = os.environ.get("QUERIST_POSTGRES", "")
        told["index"] = url or "sqlite:////data/index.sqlite"
        if self.name != "service":
            told["listen"]["port"] = 8601
        path.write_text(yaml.safe_dump(told))

    def healthy(self) -> None:
        """Wait until the health check of the image passes."""
        command = self.root.command(self.image.health, self.image, confined=True)
        for _ in range(300):
            if self.process.poll() is not None:
                raise SystemExit(f"{self.name} ended:\n{self.log.read_text()[-4000:]}")
            if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                return
            time.sleep(0.2)
        raise SystemExit(f"{self.name} did not get healthy.")

    def end(self) -> None:
        """SIGTERM, as the image's STOPSIGNAL says."""
        self.process.terminate()
        status = self.process.wait(45)
        say(f"  {self.name} ended with {status}")
        if status:
            raise SystemExit(f"{self.name} should end with 0:\n{self.log.read_text()[-4000:]}")


def ask(method: str, path: str, body: Any = None) -> Any:
    """One request to the service."""
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(URL + path, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def finished(job: str) -> None:
    """Wait until a job is done."""
    while (found := ask("GET", f"/v1/jobs/{job}"))["state"] in ("queued", "running"):
        time.sleep(0.1)
    say(f"  {found['kind']}: {found['state']} {found['error']}")
    if found["state"] != "done":
        raise SystemExit("The job should be done.")


def first_query(items: Path) -> None:
    """A pool of this folder, and a query of it."""
    from PIL import Image as Picture

    for number in range(12):
        Picture.new("RGB", (8, 8), (number * 20, 9, 9)).save(items / f"{number}.png")
    pool = ask("POST", "/v1/pools", {"name": "items", "uris": ["/items"]})
    finished(pool["addition"])
    query = ask("POST", f"/v1/pools/{pool['id']}/queries", {"strategy": "k-center", "budget": 3})
    finished(query["id"])
    picks = ask("GET", f"/v1/queries/{query['id']}/picks")["items"]
    say(f"  picked {[one['uri'] for one in picks]}")
    if len(picks) != 3:
        raise SystemExit("Three items should be picked.")


def compose(build: Build, scratch: Path) -> None:
    """Start what the compose file builds from the image, and use it."""
    told = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    volumes = scratch / "volumes"
    (volumes / "secrets").mkdir(parents=True)
    (volumes / "secrets" / "first-key").write_text(KEY)
    items = volumes / "items"
    items.mkdir()
    data = volumes / "data"
    # A new volume has what the image has there, its owner included.
    shutil.copytree(build.stages["last"].at("/data"), data)
    owner = build.stages["last"].at("/data").stat()
    os.chown(data, owner.st_uid, owner.st_gid)
    data.chmod(owner.st_mode & 0o777)
    built = {name: section for name, section in told["services"].items() if "build" in section}
    running: list[Container] = []
    try:
        for name, section in built.items():
            say(f"  {name}: {' '.join(section['command'])}")
            volumed = [v.replace("${QUERIST_ITEMS:-./items}", "items") for v in section["volumes"]]
            places = (scratch / "containers", build.stages["last"].path, volumes)
            running.append(Container(name, {**section, "volumes": volumed}, build.image, places))
            if name == "service":
                running[-1].healthy()
        first_query(items)
        for container in running:
            container.end()
    finally:
        stop(running)


def stop(running: Iterable[Container]) -> None:
    """End what still runs."""
    for container in running:
        if container.process.poll() is None:
            container.process.kill()
            container.process.wait()


def inside(scratch: Path) -> None:
    """The trial, within a mount namespace of its own."""
    build = Build(scratch, HERE)
    say("deploy/Dockerfile")
    for step in steps_of((DEPLOY / "Dockerfile").read_text()):
        build.do(step)
    say("deploy/compose.yaml")
    compose(build, scratch)
    say("All steps were done.")


def main() -> int:
    """Try everything; the exit status says whether it worked."""
    if len(sys.argv) == 3 and sys.argv[1] == "--inside":
        inside(Path(sys.argv[2]))
        return 0
    if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("unshare") is None:
        print("This needs Linux, root and unshare.", file=sys.stderr)
        return 2
    scratch = Path(tempfile.mkdtemp(prefix="querist-container-"))
    try:
        command = ["unshare", "--mount", "--propagation", "private", sys.executable, sys.argv[0]]
        return subprocess.run([*command, "--inside", str(scratch)], check=False).returncode
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
