"""``service.yaml``: everything that the administrator decides. Unknown keys are errors."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from querist.campaign.loading import checked
from querist.campaign.yaml_file import read_yaml
from querist.service.wire.access import Quota

MIB = 1 << 20
_OWN = ("health", "metrics", "page", "v1")  # where paths of the service itself begin
_PATH = re.compile(r"(/(?!\.\.?(/|$))[A-Za-z0-9._~@-]+)*")
DEFAULT_TENANT = "default"


class Section(BaseModel):
    """Base of all sections: unknown keys are errors, values are frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ListenSettings(Section):
    """Where the server listens.

    Attributes:
        hosts: Names that requests may have in their Host header, besides loopback ones and
            ``host``; against DNS rebinding.
        origins: Web pages that may send requests ("https://label.example.org"): CORS.
        root_path: The path below which a proxy shows the service ("/querist" for
            https://host/querist/), whether it passes that on or takes it off; "" for none.
        connections: Open at once; beyond it the answer is 503.
        certificate, certificate_key: Files in PEM, for https.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8600
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    root_path: str = ""
    connections: Annotated[int, Field(ge=1)] = 1024
    certificate: Path | None = None
    certificate_key: Path | None = None

    @field_validator("root_path")
    @classmethod
    def _is_path(cls, value: str) -> str:
        path = value.rstrip("/")
        if not _PATH.fullmatch(path):
            raise ValueError("is a path such as /querist, of letters, digits and ._~@-")
        if path.split("/")[1:2] and path.split("/")[1] in _OWN:
            raise ValueError(f"cannot begin with {', '.join(_OWN)}: the service's own paths do")
        return path


class KeySettings(Section):
    """Who may ask.

    Attributes:
        without: "loopback" lets requests from this machine in without a key, when the server
            listens on a loopback address only and no proxy shows it below a path; "never" does not.
        first: A file with the first admin key (qk_, 20 characters, _ and 52, of a-z and
            2-7), made known when the server starts and has none: for containers with secrets.
    """

    without: Literal["loopback", "never"] = "loopback"
    first: Path | None = None


class JobSettings(Section):
    """How jobs run.

    Attributes:
        here: Whether this process runs jobs; others with the same index may do it instead.
        slots: Jobs running at once.
        workers: Processes of one query, at most.
        name: Of this runner; must differ between runners of one index.
        patience: Seconds that a tenant without a running job waits before a job of one with
            several is suspended for it (it goes on later, where it was).
        attempts: Starts of one job that end in a crash of its process, before it has failed.
        seconds: A job that runs longer has failed.
        memory_mb: Address space of a job's processes, each; None for no limit.
        keep_days: Jobs finished so many days ago are removed at a start of the server; None: never.
    """

    here: bool = True
    slots: Annotated[int, Field(ge=1, le=1024)] = 2
    workers: Annotated[int, Field(ge=1, le=1024)] = 2
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$")] = "main"
    patience: Annotated[float, Field(ge=0)] = 20.0
    attempts: Annotated[int, Field(ge=1, le=100)] = 3
    seconds: Annotated[float, Field(gt=0)] = 7 * 86400.0
    memory_mb: Annotated[int, Field(ge=256)] | None = None
    keep_days: Annotated[float, Field(gt=0)] | None = None


class LimitSettings(Section):
    """What one request or item may cost.

    Attributes:
        body: Bytes of a JSON body.
        upload: Bytes of an uploaded file.
        body_seconds: For receiving a body; an upload gets this for each MiB.
        request_seconds: For answering, streams and downloads apart.
        unread_seconds: For a client that reads nothing of what is sent to it; then it is cut off
            (on Linux).
        item_bytes: Of one item that is read.
        pixels: Of one image that is decoded (decompression bombs).
        item_seconds: For reading one item.
        scan_memory_mb: What a query may hold between the stages of its scan, whatever it asks for.
        scan_readers: Threads that read, likewise.
        streams: Open event streams of one tenant.
        wrong_keys: A minute from one address; beyond it 429.
    """

    body: Annotated[int, Field(ge=1024)] = 8 * MIB
    upload: Annotated[int, Field(ge=1024)] = 1024 * MIB
    body_seconds: Annotated[float, Field(gt=0)] = 20.0
    request_seconds: Annotated[float, Field(gt=0)] = 60.0
    unread_seconds: Annotated[float, Field(gt=0, le=86_400)] = 60.0
    item_bytes: Annotated[int, Field(ge=1)] = 64 * MIB
    pixels: Annotated[int, Field(ge=1)] = 50_000_000
    item_seconds: Annotated[float, Field(gt=0)] = 60.0
    scan_memory_mb: Annotated[int, Field(ge=16)] = 4096
    scan_readers: Annotated[int, Field(ge=1)] = 256
    streams: Annotated[int, Field(ge=1)] = 100
    wrong_keys: Annotated[int, Field(ge=1)] = 120


class TenantSettings(Section):
    """What a tenant's requests may reach, and its share.

    Attributes:
        roots: Folders whose files may be items; none by default.
        hosts: Hosts that items may be fetched from, ``*.example.org`` included; none by default.
        private: Whether these hosts may be in loopback, private and link-local networks.
        model_hosts: Hosts of model servers (Open Inference Protocol) that its models may name,
            besides the URLs in ``models.remote``.
        campaigns: Names of the folders of ``campaigns`` below whose runs it may see and steer; by
            default all for the tenant "default" and none for the others.
        credentials: Whether the server's own credentials for S3 and the like may be used.
        share: Of the running jobs, relative to the others' shares.
        quota: What differs from the default.
    """

    roots: tuple[Path, ...] = ()
    hosts: tuple[str, ...] = ()
    model_hosts: tuple[str, ...] = ()
    private: bool = False
    campaigns: tuple[str, ...] | None = None
    credentials: bool = False
    share: Annotated[float, Field(gt=0)] = 1.0
    quota: Quota = Quota()


class ModelSettings(Section):
    """Which models requests may name.

    Attributes:
        use: Kinds of models. "python", "hub" and "huggingface" also need an entry below; "remote"
            needs one, or a tenant's ``model_hosts``.
        python: Import paths ``package.module:name`` that may be opened.
        builders: Import paths that may build a torch module for uploaded weights.
        huggingface, hub: Names that may be loaded.
        remote: Base URLs of servers of the Open Inference Protocol that all tenants may name,
            wherever they are.
    """

    use: tuple[str, ...] = ("features", "head", "onnx", "sklearn", "torch")
    python: tuple[str, ...] = ()
    builders: tuple[str, ...] = ()
    huggingface: tuple[str, ...] = ()
    hub: tuple[str, ...] = ()
    remote: tuple[str, ...] = ()


class WebhookSettings(Section):
    """Whom the server tells.

    Attributes:
        hosts: Hosts that may be told; None for any public one.
        private: Whether they may be in loopback, private and link-local networks.
        plain: Whether http without TLS is allowed.
        attempts: Tries of one message, with growing pauses.
        seconds: For one try.
    """

    hosts: tuple[str, ...] | None = None
    private: bool = False
    plain: bool = False
    attempts: Annotated[int, Field(ge=1, le=30)] = 10
    seconds: Annotated[float, Field(gt=0)] = 10.0
    first_pause: Annotated[float, Field(gt=0)] = 2.0


class PageSettings(Section):
    """The page for browsers.

    Attributes:
        shows: Which lists it has; the interface is the same without them.
    """

    shows: tuple[Literal["campaigns", "pools"], ...] = ("campaigns", "pools")


class LogSettings(Section):
    """The log: JSON lines of ids, never of content.

    Attributes:
        file: Where to; standard error when left out.
    """

    level: Literal["debug", "info", "warning", "error"] = "info"
    file: Path | None = None


DEFAULT_QUOTA = Quota(
    items=10_000_000,
    pools=1000,
    bytes=10_240 * MIB,
    jobs=100,
    running=1024,
    requests_per_minute=3000,
)


class ServiceSettings(Section):
    """The whole of ``service.yaml``.

    Attributes:
        data: The folder of everything: pools, jobs, uploads, and the index unless it is elsewhere.
        index: URL of the database: "" for SQLite in ``data``, or postgresql://...
        quota: Of every tenant, unless it has its own.
        tenants: By name; "default" holds for all that are not named.
        campaigns: Folders that hold runs, or are one, by the name under which they are shown.
    """

    data: Path = Path("querist-service")
    index: SecretStr = SecretStr("")
    listen: ListenSettings = ListenSettings()
    keys: KeySettings = KeySettings()
    jobs: JobSettings = JobSettings()
    limits: LimitSettings = LimitSettings()
    quota: Quota = DEFAULT_QUOTA
    tenants: dict[str, TenantSettings] = Field(default_factory=dict)
    models: ModelSettings = ModelSettings()
    campaigns: dict[str, Path] = Field(default_factory=dict)
    webhooks: WebhookSettings = WebhookSettings()
    log: LogSettings = LogSettings()
    page: PageSettings = PageSettings()

    def tenant(self, name: str) -> TenantSettings:
        """The section of a tenant, or the default one."""
        return self.tenants.get(name) or self.tenants.get("default") or TenantSettings()

    def campaigns_of(self, name: str) -> dict[str, Path]:
        """The folders of runs that a tenant may see and steer, by the name that is shown."""
        listed = self.tenant(name).campaigns
        if listed is None:
            return dict(self.campaigns) if name == DEFAULT_TENANT else {}
        return {root: folder for root, folder in self.campaigns.items() if root in listed}

    def quota_of(self, name: str, own: Quota) -> Quota:
        """A tenant's quota: its own in the index, else that of the file, else the default."""
        layers = (DEFAULT_QUOTA, self.quota, self.tenant(name).quota, own)
        merged: dict[str, Any] = {}
        for layer in layers:
            merged |= layer.model_dump(exclude_none=True)
        return Quota(**merged)

    @property
    def index_place(self) -> str | Path:
        """The URL of the index, or SQLite's file: a folder may have characters of URLs in it."""
        return self.index.get_secret_value() or self.data.resolve() / "index.sqlite"

    @property
    def on_loopback(self) -> bool:
        """Whether it listens where only this machine can reach it."""
        if self.listen.host == "localhost":
            return True
        try:
            return ip_address(self.listen.host).is_loopback
        except ValueError:
            return False

    @property
    def open_here(self) -> bool:
        """Whether requests from this machine need no key; what a proxy sends comes from it, too."""
        without = self.keys.without == "loopback" and self.on_loopback
        return without and not self.listen.root_path


def load_settings(path: Path | str) -> ServiceSettings:
    """Read ``service.yaml``; relative paths in it are relative to its folder.

    Raises:
        ConfigError: With every problem found.
    """
    path = Path(path)
    config = read_yaml(path)
    return parse_settings({} if config is None else config, str(path), path.resolve().parent)


def parse_settings(config: Any, where: str, folder: Path | None = None) -> ServiceSettings:
    """Settings from a mapping; ``folder`` is what relative paths are relative to.

    Raises:
        ConfigError: With every problem found.
    """
    settings = checked(ServiceSettings, config, where)
    return settings if folder is None else _located(settings, folder)


def _located(settings: ServiceSettings, folder: Path) -> ServiceSettings:
    """The same with absolute paths."""

    def absolute(value: Any) -> Any:
        if isinstance(value, Path):
            return folder / value
        if isinstance(value, BaseModel):
            return value.model_copy(
                update={name: absolute(getattr(value, name)) for name in type(value).model_fields}
            )
        if isinstance(value, dict):
            return {key: absolute(one) for key, one in value.items()}
        return tuple(map(absolute, value)) if isinstance(value, tuple) else value

    located: ServiceSettings = absolute(settings)
    return located
