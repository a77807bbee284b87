"""The address of Postgres: read as it is meant, or refused in one line that does not have the password."""

from __future__ import annotations

from urllib.parse import quote

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from ingest.embedder.postgres.address import cause, parameters
from ingest.shared.errors import ConfigurationError

WRONG = [
    pytest.param(
        "mysql://me:hunter2@db/archive", "begins with mysql: the archive is in Postgres", id="another database"
    ),
    pytest.param("postgresql+psycopg://me:hunter2@db/a", r"begins with postgresql\+psycopg", id="of SQLAlchemy"),
    pytest.param("postgresql://me:hunter2@@db/archive", "%40", id="@ at the end of the password"),
    pytest.param("postgresql://me:hunt@hunter2@db/archive", "%40", id="@ in the password"),
    pytest.param("postgresql://me:hunter2/1@db/archive", "%2F", id="/ in the password"),
    pytest.param("postgresql://me:hunter2%@db/archive", "%25", id="% in the password"),
    pytest.param("postgresql://me:hunt@hunter2:x@db/archive", "INGEST_DATABASE_PASSWORD", id="a port that is none"),
    pytest.param("postgresql://me:hunter2%80@db/archive", "%25", id="a byte that is not UTF-8"),
    pytest.param("postgresql://me:hunter2\udc80@db/archive", "is not an address", id="an undecodable environment"),
    pytest.param("postgresql://me:hunter2%00@db/archive", "is not an address", id="NUL"),
    pytest.param("hunter2", "is not an address such as", id="no address"),
    pytest.param("postgresql://me@db/archive?sslmod=hunter2", "is not an address such as", id="an unknown parameter"),
]


@pytest.mark.parametrize(("url", "reason"), WRONG)
def test_a_wrong_address_is_refused_without_its_password(url: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason) as refused:
        parameters(SecretStr(url), None)
    assert "hunter2" not in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1))
def test_a_password_as_it_is_typed_is_taken_as_a_whole_or_the_address_is_refused(password: str) -> None:
    try:
        found = parameters(SecretStr(f"postgresql://me:{password}@db.example.org:5432/archive"), None)
    except ConfigurationError:
        return
    if "%" not in password:  # a percent sign with two hexadecimal digits stands for another character
        assert found["password"] == password
    assert (found["host"], found["port"], found["dbname"]) == ("db.example.org", "5432", "archive")


@given(st.text(st.characters(min_codepoint=0x20, exclude_categories=["Cs"]), min_size=1))
def test_a_quoted_password_is_taken_whatever_it_has(password: str) -> None:
    found = parameters(SecretStr(f"postgres://me:{quote(password, safe='')}@db/archive"), None)
    assert found["password"] == password


@pytest.mark.parametrize("url", ["postgresql://me@one,two:5433/a?sslmode=require", "host=/run/postgresql dbname=a"])
def test_a_password_of_its_own_setting_takes_precedence(url: str) -> None:
    assert parameters(SecretStr(url), SecretStr("a@b"))["password"].split("@") == ["a", "b"]


def test_the_cause_of_a_failed_connection_has_no_password() -> None:
    error = psycopg.OperationalError("host hunter2 failed:\n  no such host\nMultiple connection attempts failed: ...")
    assert cause(error, {"password": "hunter2"}) == "host *** failed: no such host"
