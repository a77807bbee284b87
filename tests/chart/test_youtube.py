"""What the chart brings for YouTube: exits with their logins, and the provider of PO tokens."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.rendered import VALUES, containers, deployment, environment, job_pod, named

if TYPE_CHECKING:
    from tests.support.rendered import Manifest, Render

ROOT = Path(__file__).parents[2]
ON = {"downloader": {"exits": {"existingSecret": "mine"}, "potProvider": {"enabled": True}}}


def test_the_exits_are_files_of_the_downloader_and_of_commands_that_read_listings_alone(render: Render) -> None:
    objects = render({**ON, "submit": {"sources": ["https://example.org/feed.xml"]}})
    downloader = deployment(objects, "downloader")["spec"]["template"]["spec"]
    for pod in (downloader, job_pod(objects, "submit")):
        (container,) = pod["containers"]
        assert environment(container)["INGEST_SITE_PROXIES"] == "/etc/ingest/exits/exits"
        assert {"name": "exits", "mountPath": "/etc/ingest/exits", "readOnly": True} in container["volumeMounts"]
        assert {"name": "exits", "secret": {"secretName": "mine", "defaultMode": 0o440}} in pod["volumes"]
    for service in ("asr", "embedder"):
        assert "exits" not in [
            one["name"] for one in deployment(objects, service)["spec"]["template"]["spec"]["volumes"]
        ]


def test_the_provider_is_reached_by_the_downloader_alone(render: Render) -> None:
    objects = named(render(ON), "ingest-pot-provider")
    found: dict[str, Manifest] = {one["kind"]: one["spec"] for one in objects}
    assert set(found) == {"Deployment", "Service", "NetworkPolicy"}
    assert found["Service"]["ports"][0]["port"] == 4416
    (rule,) = found["NetworkPolicy"]["ingress"]
    assert [peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for peer in rule["from"]] == [
        "downloader"
    ]
    (container,) = containers(deployment(render(ON), "downloader")["spec"]["template"]["spec"])
    assert environment(container)["INGEST_YOUTUBE_POT_PROVIDER"] == "http://ingest-pot-provider:4416"
    assert named(render(), "ingest-pot-provider") == []


def test_the_provider_reaches_the_proxies_that_the_downloader_reaches(render: Render) -> None:
    """The plugin sends it the address of the exit's proxy."""
    proxies = {"ports": [{"port": 1080}]}
    objects = render({"downloader": {**ON["downloader"], "extraEgress": [proxies]}})
    (policy,) = (one for one in named(objects, "ingest-pot-provider") if one["kind"] == "NetworkPolicy")
    assert proxies in policy["spec"]["egress"]


def test_the_provider_has_the_version_of_the_plugin() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (plugin,) = project["project"]["optional-dependencies"]["youtube"]
    assert plugin == f"bgutil-ytdlp-pot-provider=={VALUES['downloader']['potProvider']['image']['tag']}"
    assert f"\n{plugin} " in (ROOT / "requirements.lock").read_text()
