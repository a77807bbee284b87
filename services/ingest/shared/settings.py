"""Settings: the only code that reads the environment.

Every service has a class of its own derived from `Settings`; a field `io_workers` is read from `INGEST_IO_WORKERS`, or
from a file `ingest_io_workers` in the folder `INGEST_SECRETS_DIR` (a mounted secret). A wrong value ends the process at
once, with the key, the value and the rule.
"""

from __future__ import annotations

import ast
import inspect
import os
import socket
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from ingest.shared.errors import ConfigurationError
from ingest.shared.outgoing import redact

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic_settings import PydanticBaseSettingsSource

PREFIX = "INGEST_"
SECRETS_DIR = "INGEST_SECRETS_DIR"

Positive = Annotated[int, Field(ge=1, lt=1 << 53)]
PositiveSeconds = Annotated[float, Field(gt=0, le=1e9)]


def _without_tilde(path: Path) -> Path:
    """Return a path with `~` replaced; unchanged where the home folder is unknown (the local mode refuses it then)."""
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def _default_state_path() -> Path:
    return _without_tilde(Path("~/.local/share/ingest"))


class Settings(BaseSettings):
    """The settings of every service."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        extra="ignore",
        defer_build=True,  # of the classes of a service, only the last one is used
        env_ignore_empty=True,
        hide_input_in_errors=True,  # a wrong secret must not be in a traceback
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 (the signature of the base class)
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources: the environment before secret files. No file `.env` is read."""
        return init_settings, env_settings, file_secret_settings

    nats_url: str | None = None
    """NATS server, as nats://host:4222; those of a cluster are joined by commas. Without it `ingest run` starts an
    embedded one."""
    nats_user: str | None = None
    """User for NATS."""
    nats_password: SecretStr | None = None
    """Password for NATS."""
    nats_ca_file: Path | None = None
    """Certificates (PEM) to trust instead of the system's, where the URL is tls://."""
    nats_creds_file: Path | None = None
    """Credentials of a NATS user (`.creds`: its JWT and its seed), instead of user and password."""
    nats_nkey_file: Path | None = None
    """Seed of a NATS user (it begins with SU), instead of user and password."""
    nats_cert_file: Path | None = None
    """Certificate (PEM) of this client, for a NATS server that asks for one."""
    nats_key_file: Path | None = None
    """Key (PEM) of INGEST_NATS_CERT_FILE."""
    nats_prefix: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")] = "ingest"
    """Begins the names of streams, subjects and bucket. Another one for each archive on a server that they share."""
    nats_domain: Annotated[str | None, Field(pattern=r"^[A-Za-z0-9_-]+$")] = None
    """JetStream domain of the streams, where it is not that of the server."""
    state_path: Annotated[Path, AfterValidator(_without_tilde)] = _default_state_path()
    """Folder in which the local mode keeps everything: embedded servers, volume, logs."""
    volume_path: Path | None = None
    """Shared volume for audio and transcripts. Without it, the folder `volume` inside the state folder."""
    volume_url: str | None = None
    """Where audio and transcripts are, if not in the folder INGEST_VOLUME_PATH: another path, s3://BUCKET/PREFIX, or
    nats://BUCKET on the NATS server. The folder then holds temporary files and local copies."""
    volume_endpoint: Annotated[str | None, Field(pattern=r"^https?://[^/@]+/?$")] = None
    """Address of the S3-compatible server, if it is not that of AWS."""
    volume_region: str | None = None
    """Region of the bucket."""
    volume_access_key: SecretStr | None = None
    """Key id for the bucket. Without it, the identity of the platform is used (a role of the pod or of the machine)."""
    volume_secret_key: SecretStr | None = None
    """Secret of that key."""
    volume_bytes: Positive | None = None
    """Space on NATS for a volume there (nats://); a full one takes no files. Without it, the limit of the server."""
    copies_bytes: Positive = 8 << 30
    """Space for local copies of files of a volume that is not a folder."""
    worker_name: str = socket.gethostname()
    """Name of this worker in events and crash notes; must survive its restarts and differ between replicas."""
    ack_wait_s: PositiveSeconds = 60.0
    """After this long without a sign of life, a message is given to another worker."""
    bus_patience_s: PositiveSeconds = 300.0
    """How long NATS may be away before a service ends itself (to be started again by its supervisor)."""
    grace_s: PositiveSeconds = 60.0
    """After SIGTERM, seconds that messages in flight may take before they are handed back."""
    check_limit: Positive = 20
    """Accessibility checks in flight, fleet-wide."""
    download_limit: Positive = 12
    """Downloads in flight, fleet-wide."""
    queue_bytes: Positive = 512 << 20
    """Space on the broker for each stream; a full work queue refuses new messages."""
    retry_first_s: PositiveSeconds = 5.0
    """Pause before the first repeat of a transient failure; doubles from there."""
    retry_longest_s: PositiveSeconds = 900.0
    """Longest pause between repeats of a transient failure."""
    postponed_s: PositiveSeconds = 30.0
    """Pause of a postponed message when its cause names no time."""
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Port for /metrics, /healthz and /readyz; 0 serves none. In the local mode asr and embedder have the next two."""
    metrics_host: str = ""
    """Address on which that port listens; empty: all addresses of the machine, in the local mode 127.0.0.1."""
    log_format: Literal["auto", "json", "console"] = "auto"
    """Log lines: JSON, readable, or what fits standard error."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least important log lines that are written."""

    @property
    def volume(self) -> Path:
        """Return the folder of the shared volume; if the volume is elsewhere, that of temporary files and copies."""
        if self.volume_url is not None and "://" not in self.volume_url:
            return Path(self.volume_url)
        return self.volume_path or self.state_path / "volume"

    @property
    def longest_job_s(self) -> float:
        """Return the longest time that a job may take; a service with a deadline extends it."""
        return 0.0


S = TypeVar("S", bound=Settings)


def load(kind: type[S], **overrides: Any) -> S:  # noqa: ANN401 (a foreign or generic shape)
    """Read settings; raise ConfigurationError naming key, value and rule of everything that is wrong."""
    for name, value in os.environ.items():
        if name.startswith(PREFIX) and any("\ud800" <= letter <= "\udfff" for letter in value):
            raise ConfigurationError(f"{name}: the value is not UTF-8")
    folder = os.environ.get(SECRETS_DIR)
    if folder and not Path(folder).is_dir():
        raise ConfigurationError(f"{SECRETS_DIR}={folder}: no such folder")
    try:
        return kind(_secrets_dir=folder, **overrides)
    except ValidationError as error:
        raise ConfigurationError("; ".join(_explain(kind, detail) for detail in error.errors())) from error
    except (OSError, ValueError) as error:  # a file that cannot be read, is not UTF-8, or is a folder
        raise ConfigurationError(f"{SECRETS_DIR}={folder}: a file cannot be read: {error}") from error


def _explain(kind: type[Settings], detail: Any) -> str:  # noqa: ANN401 (a foreign or generic shape)
    name = str(detail["loc"][0])
    value = "***" if is_secret(kind, name) else redact(str(detail["input"]))
    return f"{variable(name)}={value}: {detail['msg']}"


def variable(name: str) -> str:
    """Return the environment variable of a field."""
    return PREFIX + name.upper()


def as_environment(settings: Settings, names: Iterable[str] | None = None) -> dict[str, str]:
    """Return the environment of a process that is to have the same settings: those that are not at their default."""
    found = {}
    for name in names or settings.model_fields_set:
        value = getattr(settings, name)
        if value is not None:
            found[variable(name)] = value.get_secret_value() if isinstance(value, SecretStr) else str(value)
    return found


def explanations(kind: type[Settings]) -> dict[str, str]:
    """Return the docstrings of the fields, by name. They are read from the source, which no other command needs."""
    found: dict[str, str] = {}
    for declaring in reversed([base for base in kind.__mro__ if issubclass(base, Settings)]):
        (declared,) = ast.parse(inspect.getsource(declaring)).body
        assert isinstance(declared, ast.ClassDef)  # noqa: S101 (its source)
        for field, text in pairwise(declared.body):
            match field, text:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(docstring))):
                    found[name] = inspect.cleandoc(docstring)
    return found


def is_secret(kind: type[Settings], name: str) -> bool:
    """Return whether a field must not be shown."""
    field = kind.model_fields.get(name)
    return field is not None and "SecretStr" in str(field.annotation)


def origin(name: str) -> str:
    """Return where the value of a field comes from: environment, a secret file, or default."""
    if os.environ.get(variable(name)):
        return "environment"
    folder = os.environ.get(SECRETS_DIR)
    if folder and (Path(folder) / (PREFIX + name).lower()).exists():
        return str(Path(folder) / (PREFIX + name).lower())
    return "default"
