"""`ingest config`: every setting with its origin, and warnings about unknown variables."""

from __future__ import annotations

import json

import pytest

from ingest.cli import config
from ingest.cli.settings import AllSettings
from ingest.shared.errors import ConfigurationError
from ingest.shared.settings import load


def test_unknown_variables_with_the_prefix_of_settings_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGEST_IO_WORKER", "3")
    monkeypatch.setenv("INGEST_ASR_BATCHES", "3")
    monkeypatch.setenv("OTHER_IO_WORKER", "3")
    assert config.unknown_variables(AllSettings) == ["INGEST_ASR_BATCHES", "INGEST_IO_WORKER"]


def test_settings_and_their_folder_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("INGEST_IO_WORKERS", "INGEST_ASR_BATCH", "INGEST_DATABASE_URL", "INGEST_NATS_URL"):
        monkeypatch.setenv(name, "3")
    monkeypatch.setenv("INGEST_SECRETS_DIR", "/run/secrets")
    assert config.unknown_variables(AllSettings) == []


def test_every_setting_is_shown_with_its_origin_and_no_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("INGEST_IO_WORKERS", "3")
    monkeypatch.setenv("INGEST_DATABASE_PASSWORD", "hunter2")
    config.show(load(AllSettings), as_json=True)
    text = capsys.readouterr().out
    rows = {row["variable"]: row for row in json.loads(text)}
    assert len(rows) == len(AllSettings.model_fields)
    assert (rows["INGEST_IO_WORKERS"]["value"], rows["INGEST_IO_WORKERS"]["origin"]) == (3, "environment")
    assert (rows["INGEST_EMBEDDING_MODEL"]["value"], rows["INGEST_EMBEDDING_MODEL"]["origin"]) == (
        "all-MiniLM-L6-v2",
        "default",
    )
    assert rows["INGEST_DATABASE_PASSWORD"]["value"] == "***"
    assert rows["INGEST_DATABASE_URL"]["value"] is None
    assert "hunter2" not in text


@pytest.mark.parametrize(
    ("name", "says"),
    [
        pytest.param("INGEST_IO_WORKER", "did you mean INGEST_IO_WORKERS?", id="a typing error"),
        pytest.param("INGEST_XYZZY", "INGEST_XYZZY is not a setting", id="anything"),
    ],
)
def test_an_unknown_variable_gives_a_warning(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, says: str
) -> None:
    monkeypatch.setenv(name, "3")
    config.show(load(AllSettings), as_json=False)
    captured = capsys.readouterr()
    assert says in captured.err
    assert name not in captured.out.split()


def test_embedded_servers_are_needed_unless_both_are_configured() -> None:
    assert load(AllSettings).is_local
    assert load(AllSettings, nats_url="nats://x:4222").is_local
    assert not load(AllSettings, nats_url="nats://x:4222", database_url="postgresql://x/y").is_local


@pytest.mark.parametrize("name", ["INGEST_NATS_URL", "INGEST_DATABASE_URL", "INGEST_FILE_ROOTS"])
@pytest.mark.parametrize("as_json", [True, False])
def test_no_login_in_an_address_is_shown(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    as_json: bool,  # noqa: FBT001 (a table)
) -> None:
    monkeypatch.setenv(name, "nats://u:hunter2@a:4222,nats://hunter2@b:4222")
    config.show(load(AllSettings), as_json=as_json)
    assert "hunter2" not in capsys.readouterr().out


def test_an_error_about_a_setting_shows_no_login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGEST_METRICS_PORT", "http://u:hunter2@h")
    with pytest.raises(ConfigurationError, match=r"INGEST_METRICS_PORT=http://\*\*\*@h"):
        load(AllSettings)


@pytest.mark.parametrize(
    ("name", "warned"),
    [
        pytest.param("INGEST_IO_WORKER", True, id="a letter is missing"),
        pytest.param("INGEST_ASR_MODLE", True, id="letters are exchanged"),
        pytest.param("INGEST_NATS_SERVICE_HOST", False, id="of Kubernetes"),
        pytest.param("INGEST_NATS_PORT", False, id="of Kubernetes, too"),
        pytest.param("INGEST_IO_WORKERS", False, id="a setting"),
    ],
)
def test_a_run_warns_about_typing_errors_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, *, warned: bool
) -> None:
    monkeypatch.setenv(name, "3")
    config.warn_of_typing_errors(load(AllSettings))
    assert (name in capsys.readouterr().err) is warned
