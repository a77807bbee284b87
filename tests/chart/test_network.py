"""Network policies: the rendered rules; tests/cluster tests their effect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from helm_python import HelmValuesError

from ingest.shared.pipeline import Service
from tests.support.rendered import named

if TYPE_CHECKING:
    from tests.support.rendered import Manifest, Render

DNS = {
    "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}],
    "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}],
}


def policies(render: Render, values: dict[str, Any] | None = None) -> dict[str, Manifest]:
    """Return the policies of a release by their components."""
    found = [item for item in named(render(values), "ingest-") if item["kind"] == "NetworkPolicy"]
    return {item["metadata"]["name"].removeprefix("ingest-"): item["spec"] for item in found}


def test_metrics_are_open_to_the_configured_peers(render: Render) -> None:
    peers = [{"namespaceSelector": {"matchLabels": {"a": "b"}}}]
    found = policies(render, {"networkPolicy": {"metricsFrom": peers}})
    for component in Service:
        assert found[component]["ingress"] == [{"from": peers, "ports": [{"port": 9090}]}]


def test_without_values_only_the_namespace_of_prometheus_reads_metrics(render: Render) -> None:
    found = policies(render)
    monitoring = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    for component in Service:
        assert found[component]["ingress"] == [{"from": monitoring, "ports": [{"port": 9090}]}]
    for policy in found.values():
        sources = [peer for rule in policy.get("ingress", ()) for peer in rule.get("from", ())]
        assert {"namespaceSelector": {}} not in sources


def test_the_page_is_open_to_the_configured_peers_alone(render: Render) -> None:
    peers = [{"namespaceSelector": {"matchLabels": {"a": "b"}}}]
    assert [rule["ports"] for rule in policies(render)["archive"]["ingress"]] == [[{"port": 9090}]]
    opened = policies(render, {"networkPolicy": {"archiveFrom": peers}})["archive"]
    assert opened["ingress"][1:] == [{"from": peers, "ports": [{"port": 8080}]}]
    closed = policies(render, {"networkPolicy": {"metricsFrom": []}})["archive"]
    assert not closed.get("ingress")
    assert "Ingress" in closed["policyTypes"]


def test_the_read_side_reaches_postgres_and_nothing_else(render: Render) -> None:
    found = policies(render)
    (peer,) = found["archive"]["egress"][1]["to"]
    assert found["archive"]["egress"][0] == DNS
    assert len(found["archive"]["egress"]) == 2
    assert peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "postgres"
    for server, is_open in (("postgres", True), ("nats", False)):
        peers = [
            peer["podSelector"]["matchLabels"].get("app.kubernetes.io/component")
            for rule in found[server]["ingress"]
            for peer in rule["from"]
        ]
        assert ("archive" in peers) == is_open


def test_the_monitoring_port_of_nats_is_open_to_keda_alone_and_only_where_it_is_used(render: Render) -> None:
    peers = [{"namespaceSelector": {"matchLabels": {"a": "b"}}}]
    closed = policies(render, {"networkPolicy": {"backlogFrom": peers}})
    assert [rule["ports"] for rule in closed["nats"]["ingress"]] == [[{"port": 4222}]]
    found = policies(render, {"networkPolicy": {"backlogFrom": peers}, "asr": {"keda": {"enabled": True}}})
    assert found["nats"]["ingress"][1:] == [{"from": peers, "ports": [{"port": 8222}]}]
    unset = policies(render, {"networkPolicy": {"backlogFrom": []}, "asr": {"keda": {"enabled": True}}})
    assert [rule["ports"] for rule in unset["nats"]["ingress"]] == [[{"port": 4222}]]


def test_metrics_are_closed_without_peers(render: Render) -> None:
    found = policies(render, {"networkPolicy": {"metricsFrom": []}})
    for component in Service:
        assert "Ingress" in found[component]["policyTypes"]
        assert not found[component].get("ingress")
    assert [rule["ports"] for rule in found["nats"]["ingress"]] == [[{"port": 4222}]]


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param([DNS], id="as it is"),
        pytest.param([DNS, {"to": [{"ipBlock": {"cidr": "169.254.20.10/32"}}]}], id="a cache on the node"),
        pytest.param([], id="nowhere"),
    ],
)
def test_pods_reach_dns_at_the_configured_places(render: Render, rules: list[Manifest]) -> None:
    values = {} if rules == [DNS] else {"networkPolicy": {"dns": rules}}
    found = policies(render, values)
    for component in (*Service, "commands", "models"):
        egress = found[component]["egress"]
        assert egress[: len(rules)] == rules
        assert DNS not in egress[len(rules) :]


@pytest.mark.parametrize(
    ("nats", "postgres", "ports"),
    [
        pytest.param("nats://n", "postgresql://USER@p/ingest", ([4222], [5432]), id="standard ports"),
        pytest.param("tls://n:4333", "postgresql://USER@p:6432/x?a=b:9", ([4333], [6432]), id="other ports"),
        pytest.param("wss://u:5@n/x:6", "postgres://USER@p/x", ([443], [5432]), id="no port, though digits"),
        pytest.param("nats://[::1]:4333", "postgresql://USER@[::1]/x", ([4333], [5432]), id="IPv6"),
        pytest.param(
            "nats://a:1,nats://u:p@b,c:1", "postgres://USER@p/x?a=b,c:9", ([1, 4222], [5432]), id="several NATS"
        ),
        pytest.param("nats://n", "postgresql://USER@a:6432,b,c:6432/x", ([4222], [6432, 5432]), id="several hosts"),
    ],
)
def test_ports_of_other_servers_are_those_of_their_addresses(
    render: Render, nats: str, postgres: str, ports: tuple[list[int], list[int]]
) -> None:
    servers = [{"ipBlock": {"cidr": "192.0.2.0/24"}}]
    values = {"nats": {"enabled": False, "url": nats}, "postgres": {"enabled": False, "url": postgres}}
    anywhere = [{"ports": [{"port": port} for port in some]} for some in ports]
    assert policies(render, values)["asr"]["egress"] == [DNS, anywhere[0]]
    assert policies(render, values)["embedder"]["egress"] == [DNS, *anywhere]
    there = policies(render, {**values, "networkPolicy": {"externalServers": servers}})
    assert there["asr"]["egress"] == [DNS, {**anywhere[0], "to": servers}]
    assert there["embedder"]["egress"] == [DNS, *({**rule, "to": servers} for rule in anywhere)]
    assert there["commands"]["egress"][1:3] == there["embedder"]["egress"][1:]


def test_an_address_without_a_host_is_refused_because_its_port_may_be_anywhere(render: Render) -> None:
    with pytest.raises(HelmValuesError, match="/postgres/url"):
        render({"postgres": {"enabled": False, "url": "postgresql://USER@/ingest?host=p&port=6432"}})
