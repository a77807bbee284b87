"""The read side on a cluster: what its pods get, under which names they answer, and how it is opened."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.rendered import containers, deployment, environment, named

if TYPE_CHECKING:
    from tests.support.rendered import Manifest, Render

TOKEN = {"auth": {"tokenSecret": "page"}}


def pod(render: Render, **values: Manifest) -> Manifest:
    """Return the specification of the pods."""
    spec: Manifest = deployment(render(values), "archive")["spec"]["template"]["spec"]
    return spec


def test_with_the_right_to_edit_it_reaches_nats_as_its_own_user(render: Render) -> None:
    values = {"archive": {"auth": {"editTokenSecret": "editors"}}}
    spec = pod(render, **values)
    (passwords,) = [volume for volume in spec["volumes"] if volume["name"] == "passwords"]
    sources = {source["secret"]["name"]: source["secret"]["items"] for source in passwords["projected"]["sources"]}
    assert {"key": "token", "path": "ingest_archive_edit_token"} in sources["editors"]
    items = [item for source in passwords["projected"]["sources"] for item in source["secret"]["items"]]
    assert {item["key"] for item in items} == {"postgres-reader", "nats-archive", "token"}
    found = environment(spec["containers"][0])
    assert (found["INGEST_NATS_USER"], found["INGEST_NATS_URL"]) == ("archive", "nats://ingest-nats:4222")

    def reached(values: Manifest) -> tuple[bool, bool]:
        policies = {one["metadata"]["name"]: one for one in render(values) if one["kind"] == "NetworkPolicy"}
        out, into = json.dumps(policies["ingest-archive"]["spec"]), json.dumps(policies["ingest-nats"]["spec"])
        return "4222" in out, '"archive"' in into

    assert reached(values) == (True, True)
    assert reached({}) == (False, False)


@pytest.mark.parametrize(
    ("values", "keys"),
    [
        pytest.param({}, {"postgres-reader"}, id="no token"),
        pytest.param(TOKEN, {"postgres-reader", "token"}, id="a token"),
    ],
)
def test_it_gets_the_password_of_the_reader_and_the_token_as_files(
    render: Render, values: dict[str, Any], keys: set[str]
) -> None:
    spec = pod(render, archive=values)
    (passwords,) = [volume for volume in spec["volumes"] if volume["name"] == "passwords"]
    items = [item for source in passwords["projected"]["sources"] for item in source["secret"]["items"]]
    assert {item["key"] for item in items} == keys
    assert not {item["path"] for item in items} - {"ingest_database_password", "ingest_archive_token"}
    assert not [volume for volume in spec["volumes"] if "secret" in volume]
    assert "ingest_reader@" in environment(spec["containers"][0])["INGEST_DATABASE_URL"]
    assert "nats" not in json.dumps(spec)


def test_it_cannot_write_to_the_volume(render: Render) -> None:
    (container,) = pod(render)["containers"]
    writable = {mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    assert writable == {"/tmp"}  # noqa: S108 (of a container)


def test_it_asks_with_the_text_model_of_the_embedder_in_its_image(render: Render) -> None:
    values = {"embedder": {"settings": {"embedding_model": "BAAI/bge-m3", "passage_max_chars": 900}}}
    spec = pod(render, **values)
    embedder = deployment(render(values), "embedder")["spec"]["template"]["spec"]
    assert {one["image"] for one in containers(spec)} == {embedder["containers"][0]["image"]}
    found = environment(spec["containers"][0])
    assert found["INGEST_EMBEDDING_MODEL"] == "BAAI/bge-m3"
    assert "INGEST_PASSAGE_MAX_CHARS" not in found
    (waits,) = spec["initContainers"]
    assert waits["command"][-2:] == ["--only", "text"]
    names = {volume["name"] for volume in spec["volumes"]}
    assert {mount["name"] for one in containers(spec) for mount in one["volumeMounts"]} <= names


def test_it_answers_under_the_names_by_which_it_is_opened(render: Render) -> None:
    opened = {
        **TOKEN,
        "ingress": {"enabled": True, "host": "talks.example.org"},
        "httpRoute": {"enabled": True, "hostnames": ["x.example.org"], "parentRefs": [{"name": "gateway"}]},
        "settings": {"archive_names": "mine.example.org"},
    }
    names = environment(pod(render, archive=opened)["containers"][0])["INGEST_ARCHIVE_NAMES"].split(",")
    service = ["ingest-archive", "ingest-archive.somewhere", "ingest-archive.somewhere.svc"]
    assert names[:3] == service
    assert names[4:] == ["talks.example.org", "x.example.org", "mine.example.org"]
    plain = environment(pod(render)["containers"][0])["INGEST_ARCHIVE_NAMES"].split(",")
    assert plain == names[:4]


def test_nothing_opens_it_to_other_machines_unless_it_is_asked_for(render: Render) -> None:
    kinds = {item["kind"]: item for item in named(render(), "ingest-archive")}
    assert kinds.keys() == {"Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service"}
    assert "type" not in kinds["Service"]["spec"]


def test_the_users_of_a_proxy_read_and_may_be_editors(render: Render) -> None:
    proxy = {"header": "X-Forwarded-User", "addresses": ["10.0.0.7", "10.1.0.0/16"], "editors": ["ada", "grace"]}
    ingress = {"enabled": True, "host": "talks.example.org"}
    values = {"ingress": ingress, "auth": {"editTokenSecret": "editors", "proxy": proxy}}
    found = environment(pod(render, archive=values)["containers"][0])
    assert found["INGEST_ARCHIVE_PROXIES"] == "10.0.0.7,10.1.0.0/16"
    assert found["INGEST_ARCHIVE_PROXY_HEADER"] == "X-Forwarded-User"
    assert found["INGEST_ARCHIVE_EDITORS"] == "ada,grace"
    assert found["INGEST_ARCHIVE_REQUESTS_PER_MINUTE"] == "1200"
    plain = environment(pod(render, archive={"settings": {"archive_requests_per_minute": 60}})["containers"][0])
    assert plain["INGEST_ARCHIVE_REQUESTS_PER_MINUTE"] == "60"
    assert not {"INGEST_ARCHIVE_PROXIES", "INGEST_ARCHIVE_PROXY_HEADER", "INGEST_ARCHIVE_EDITORS"} & plain.keys()


def test_routes_lead_to_the_service(render: Render) -> None:
    values = {
        **TOKEN,
        "ingress": {"enabled": True, "host": "talks.example.org", "tlsSecret": "tls"},
        "httpRoute": {"enabled": True, "hostnames": ["x.example.org"], "parentRefs": [{"name": "gateway"}]},
    }
    kinds = {item["kind"]: item for item in named(render({"archive": values}), "ingest-archive")}
    (port,) = kinds["Service"]["spec"]["ports"]
    (rule,) = kinds["Ingress"]["spec"]["rules"]
    assert rule["host"] == "talks.example.org"
    assert rule["http"]["paths"][0]["backend"]["service"] == {"name": "ingest-archive", "port": {"name": port["name"]}}
    assert kinds["HTTPRoute"]["spec"]["rules"] == [{"backendRefs": [{"name": "ingest-archive", "port": port["port"]}]}]


def test_without_it_nothing_is_left(render: Render) -> None:
    assert not named(render({"archive": {"enabled": False}}), "ingest-archive")
