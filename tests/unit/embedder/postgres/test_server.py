"""What a Postgres server lacks, in one line each; and in which schema an archive is found or made."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ingest.embedder.postgres.server import MARK, Place, Server, place, problem
from ingest.shared.errors import ConfigurationError

GOOD = Server(16, "UTF8", "archive", "me", "0.8.2", "0.8.2", "public", ["public"])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({}, None, id="good"),
        pytest.param({"vector": None}, None, id="an extension to be created"),
        pytest.param({"version": 12}, "Postgres 12 is too old: the archive needs Postgres 13 or newer", id="server"),
        pytest.param({"encoding": "LATIN1"}, "the encoding LATIN1, and the archive needs UTF8", id="encoding"),
        pytest.param(
            {"vector": None, "offered": None}, "Postgres 16 has no pgvector: install pgvector 0.8", id="no pgvector"
        ),
        pytest.param({"vector": None, "offered": "0.7.4"}, "pgvector 0.7.4 is too old: install", id="offered too old"),
        pytest.param({"vector": "0.4.4"}, "pgvector 0.4.4 is too old: in the database archive, its owner", id="update"),
        pytest.param({"vector": "0.4.4", "offered": "0.4.4"}, "too old: install pgvector 0.8 or newer", id="both old"),
    ],
)
def test_each_lack_has_one_line_that_says_what_to_do(changes: dict[str, object], reason: str | None) -> None:
    found = problem(replace(GOOD, **changes))  # type: ignore[arg-type] # fields by name
    if reason is None:
        assert found is None
    else:
        assert reason in str(found)
        assert "\n" not in str(found)


OURS = {"migrations": MARK, "videos": {"video_id"}}
OTHERS = {"migrations": {"id", "migration"}, "videos": {"id"}}
A_VIEW = {"videos": {"id"}}


@pytest.mark.parametrize(
    ("tables", "wanted", "path", "found"),
    [
        pytest.param({}, None, ["public"], Place("public", False), id="an empty database"),
        pytest.param({}, "talks", ["public"], Place("talks", False), id="a schema of one's own"),
        pytest.param({}, None, [], Place("ingest", False), id="no schema in the search path"),
        pytest.param({"public": OURS}, None, ["public"], Place("public", True), id="an archive"),
        pytest.param({"me": OURS}, None, ["me", "public"], Place("me", True), id="an archive in the user's schema"),
        pytest.param({"public": OURS}, None, ["me", "public"], Place("public", True), id="a later user's schema"),
        pytest.param({"public": OTHERS}, None, ["public"], Place("ingest", False), id="beside another application"),
        pytest.param({"public": A_VIEW}, None, ["public"], Place("ingest", False), id="beside one table of our name"),
        pytest.param({"public": OTHERS, "ingest": OURS}, None, ["public"], Place("ingest", True), id="made beside"),
        pytest.param({"public": OTHERS, "talks": OURS}, "talks", ["public"], Place("talks", True), id="found"),
        pytest.param({"talks": OURS}, "more", ["public"], Place("more", False), id="a second archive"),
    ],
)
def test_the_archive_is_found_where_it_is_and_made_where_nothing_is(
    tables: dict[str, dict[str, set[str]]], wanted: str | None, path: list[str], found: Place
) -> None:
    assert place(tables, wanted, path) == found


@pytest.mark.parametrize(
    ("tables", "wanted", "reason"),
    [
        pytest.param({"talks": OTHERS}, "talks", "the schema talks has tables of another", id="wanted"),
        pytest.param({"public": OTHERS, "ingest": A_VIEW}, None, "the schema ingest has tables of another", id="both"),
        pytest.param(
            {"public": OURS}, "talks", "is in the schema public, not in INGEST_DATABASE_SCHEMA=talks", id="old"
        ),
    ],
)
def test_a_schema_that_is_taken_is_refused(
    tables: dict[str, dict[str, set[str]]], wanted: str | None, reason: str
) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        place(tables, wanted, ["public"])
