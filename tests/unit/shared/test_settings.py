"""Settings: where values come from, and what is said about wrong ones."""

from __future__ import annotations

import os
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field, SecretStr

from ingest.downloader.settings import DownloaderSettings, listed
from ingest.shared.errors import ConfigurationError
from ingest.shared.settings import SECRETS_DIR, Settings, as_environment, is_secret, load, origin, variable

PASSWORD = "hunter2"  # noqa: S105 (the secret of these tests)


class GuardedSettings(Settings):
    """Settings with a secret that can be wrong."""

    pin: Annotated[SecretStr, Field(min_length=20)] = SecretStr("x" * 20)
    """A secret of at least 20 characters."""


def complaint(kind: type[Settings] = Settings) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(kind)
    return str(caught.value)


def test_without_an_environment_the_defaults_hold() -> None:
    settings = load(Settings)
    assert (settings.nats_url, settings.check_limit, settings.grace_s) == (None, 20, 60.0)
    assert origin("check_limit") == "default"


def test_a_field_is_read_from_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGEST_CHECK_LIMIT", "7")
    assert variable("check_limit") == "INGEST_CHECK_LIMIT"
    assert load(Settings).check_limit == 7
    assert origin("check_limit") == "environment"


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGEST_CHECK_LIMIT", "")
    monkeypatch.setenv("INGEST_NATS_URL", "")
    assert (load(Settings).check_limit, load(Settings).nats_url) == (20, None)
    assert origin("check_limit") == "default"


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        pytest.param("INGEST_CHECK_LIMIT", "0", "greater than or equal to 1", id="too small"),
        pytest.param("INGEST_CHECK_LIMIT", "many", "valid integer", id="no number"),
        pytest.param("INGEST_GRACE_S", "-3", "greater than 0", id="negative seconds"),
        pytest.param("INGEST_METRICS_PORT", "65536", "less than or equal to 65535", id="no port"),
        pytest.param("INGEST_GRACE_S", "nan", "less than or equal", id="no number of seconds"),
        pytest.param("INGEST_GRACE_S", "inf", "less than or equal", id="endless seconds"),
        pytest.param("INGEST_QUEUE_BYTES", str(1 << 64), "less than", id="more bytes than there are"),
        pytest.param("INGEST_LOG_LEVEL", "LOUD", "'DEBUG', 'INFO', 'WARNING' or 'ERROR'", id="no level"),
    ],
)
def test_a_wrong_value_is_named_with_its_key_and_the_rule(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, rule: str
) -> None:
    monkeypatch.setenv(name, value)
    text = complaint()
    assert text.startswith(f"{name}={value}: ")
    assert rule in text


def test_everything_that_is_wrong_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGEST_CHECK_LIMIT", "0")
    monkeypatch.setenv("INGEST_IO_WORKERS", "none")
    text = complaint(DownloaderSettings)
    assert "INGEST_CHECK_LIMIT=0" in text
    assert "INGEST_IO_WORKERS=none" in text


def test_a_wrong_secret_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGEST_PIN", PASSWORD)
    text = complaint(GuardedSettings)
    assert text.startswith("INGEST_PIN=***: ")
    assert "at least 20" in text


def test_a_wrong_secret_is_not_in_the_traceback_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGEST_PIN", PASSWORD)
    with pytest.raises(ConfigurationError) as caught:
        load(GuardedSettings)
    assert PASSWORD not in "".join(traceback.format_exception(caught.value))


def test_secrets_are_known_as_such() -> None:
    assert is_secret(GuardedSettings, "pin")
    assert is_secret(Settings, "nats_password")
    assert not is_secret(Settings, "nats_user")
    assert not is_secret(Settings, "no_such_field")


def test_settings_do_not_show_their_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGEST_NATS_PASSWORD", PASSWORD)
    assert PASSWORD not in repr(load(Settings))


def test_a_mounted_secret_is_read_and_the_environment_comes_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ingest_nats_password").write_text(f"{PASSWORD}\n")
    (tmp_path / "ingest_check_limit").write_text("3")
    monkeypatch.setenv(SECRETS_DIR, str(tmp_path))
    monkeypatch.setenv("INGEST_CHECK_LIMIT", "5")
    settings = load(Settings)
    assert settings.nats_password == SecretStr(PASSWORD)
    assert settings.check_limit == 5
    assert origin("nats_password") == str(tmp_path / "ingest_nats_password")
    assert origin("check_limit") == "environment"
    assert origin("nats_user") == "default"


def test_a_wrong_value_in_a_mounted_file_is_named_like_any_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "ingest_check_limit").write_text("0")
    monkeypatch.setenv(SECRETS_DIR, str(tmp_path))
    assert complaint().startswith("INGEST_CHECK_LIMIT=0: ")


def test_a_folder_of_secrets_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(SECRETS_DIR, str(tmp_path / "nowhere"))
    assert complaint() == f"{SECRETS_DIR}={tmp_path / 'nowhere'}: no such folder"


def test_a_value_that_is_not_utf_8_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGEST_NATS_USER", "a\udcff")
    assert complaint() == "INGEST_NATS_USER: the value is not UTF-8"


@pytest.mark.parametrize("content", [pytest.param(b"\xff\xfe", id="bytes"), pytest.param(None, id="a folder")])
def test_a_file_of_a_secret_that_cannot_be_read_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "ingest_nats_password"
    path.mkdir() if content is None else path.write_bytes(content)
    monkeypatch.setenv(SECRETS_DIR, str(tmp_path))
    assert complaint().startswith(f"{SECRETS_DIR}={tmp_path}: a file cannot be read: ")


def test_a_user_without_a_home_folder_can_read_settings() -> None:
    """The local mode refuses the state folder then; services with a volume of their own need none."""
    folders = Path(sys.executable).resolve().parents  # a Python in root's own folder is closed to other users
    another = os.geteuid() == 0 and all(folder.stat().st_mode & 0o001 for folder in folders)
    program = "from ingest.shared.settings import Settings, load; print(load(Settings).state_path)"
    done = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True, text=True,
        check=True, user=61234 if another else None,
    )  # fmt: skip
    assert not another or done.stdout.strip() == "~/.local/share/ingest"


def test_an_environment_made_from_settings_gives_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(
        DownloaderSettings,
        nats_password=SecretStr(PASSWORD),
        volume_path=Path("/some where/volume"),
        io_workers=3,
        allowed_hosts="10.0.0.1, feeds.internal",
        site_pause_s=1.5,
        log_level="DEBUG",
        scratch_path=None,
    )
    for name, value in as_environment(settings).items():
        monkeypatch.setenv(name, value)
    assert load(DownloaderSettings) == settings


def test_only_the_wanted_settings_go_into_an_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGEST_CHECK_LIMIT", "7")
    settings = load(Settings)
    assert as_environment(settings) == {"INGEST_CHECK_LIMIT": "7"}
    assert as_environment(settings, ["nats_url", "download_limit"]) == {"INGEST_DOWNLOAD_LIMIT": "12"}


def test_the_volume_is_in_the_state_folder_unless_set(tmp_path: Path) -> None:
    assert load(Settings, state_path=tmp_path).volume == tmp_path / "volume"
    assert load(Settings, state_path=tmp_path, volume_path=tmp_path / "nfs").volume == tmp_path / "nfs"
    assert load(DownloaderSettings, state_path=tmp_path).scratch == tmp_path / "volume" / "scratch"


@pytest.mark.parametrize(
    ("text", "parts"), [("", ()), ("a", ("a",)), (" a , b,", ("a", "b")), (",,", ()), ("/x y,/z", ("/x y", "/z"))]
)
def test_a_list_is_written_with_commas(text: str, parts: tuple[str, ...]) -> None:
    assert listed(text) == parts
