"""Values that the chart refuses, with the key and advice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from helm_python import Chart, HelmRenderError, HelmValuesError

from ingest.shared.pipeline import Service
from ingest.shared.settings import Settings
from tests.support.rendered import VALUES

if TYPE_CHECKING:
    from tests.support.rendered import Render

KEDA: dict[str, Any] = {"enabled": True}
DOWNLOADS = Settings.model_fields["download_limit"].default


@pytest.mark.parametrize(
    ("values", "words"),
    [
        pytest.param({"asr": {"replica": 3}}, "/asr", id="unknown key"),
        pytest.param({"asr": {"replicas": "two"}}, "/asr/replicas", id="wrong type"),
        pytest.param({"image": {"pullPolicy": "Sometimes"}}, "/image/pullPolicy", id="no such word"),
        pytest.param({"volume": {"hostPath": "relative"}}, "/volume/hostPath", id="relative path"),
        pytest.param({"postgres": {"url": "postgresql://me@db/x"}}, "/postgres/url", id="url without USER"),
        pytest.param({"voices": {"settings": {"voice_acept": 0.5}}}, "/voices/settings", id="unknown voice setting"),
        pytest.param({"voices": {"settings": {"voice_accept": 2}}}, "voice_accept", id="no cosine"),
        pytest.param({"voices": {"settings": {"diarization_device": "gpu"}}}, "diarization_device", id="no device"),
        pytest.param({"asr": {"image": {"digest": "sha256:short"}}}, "/asr/image/digest", id="no digest"),
    ],
)
def test_the_refusal_of_a_wrong_value_names_it(render: Render, values: dict[str, Any], words: str) -> None:
    with pytest.raises(HelmValuesError, match=words):
        render(values)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        pytest.param({"asr": {"keda": KEDA, "autoscaling": KEDA}}, "choose one", id="two autoscalers"),
        pytest.param({"nats": {"enabled": False}}, "nats.url", id="no NATS"),
        pytest.param({"postgres": {"enabled": False}}, "postgres.url", id="no Postgres"),
        pytest.param(
            {"archive": {"ingress": {"enabled": True, "host": "x"}}}, "archive.auth.tokenSecret", id="open to all"
        ),
        pytest.param(
            {"archive": {"auth": {"byProxy": True}, "httpRoute": {"enabled": True}}},
            "hostnames",
            id="a route to nothing",
        ),
        pytest.param(
            {"archive": {"auth": {"tokenSecret": "x"}, "ingress": {"enabled": True}}}, "ingress.host", id="no host"
        ),
        pytest.param(
            {"archive": {"auth": {"proxy": {"header": "X-User"}}}}, "proxy.addresses", id="a header of each client"
        ),
        pytest.param(
            {"archive": {"auth": {"proxy": {"header": "X-User", "addresses": ["10.0.0.7"], "editors": ["ada"]}}}},
            "editTokenSecret",
            id="forms that nothing signs",
        ),
        pytest.param({"archive": {"settings": {"archive_proxies": "::/0"}}}, "proxy.addresses", id="proxies twice"),
        pytest.param({"archive": {"settings": {"archive_token": "x"}}}, "tokenSecret", id="a token in the values"),
        pytest.param({"nats": {"nkeySecret": "mine"}}, "log in to an existing server", id="a login for our own NATS"),
        pytest.param(
            {"nats": {"enabled": False, "url": "nats://x", "credsSecret": "a", "nkeySecret": "b"}},
            "only one of them",
            id="two logins",
        ),
        pytest.param({"volume": {"hostPath": "/x", "existingClaim": "y"}}, "only one", id="two volumes"),
        pytest.param({"volume": {"mode": "objectStore"}}, "volume.objectStore.url", id="no bucket"),
        pytest.param(
            {"volume": {"mode": "objectStore", "objectStore": {"url": "s3://a"}, "hostPath": "/x"}},
            "volume.mode=shared",
            id="a bucket and a folder",
        ),
        pytest.param({"settings": {"volume_url": "s3://a"}}, "the chart sets it", id="a bucket as a setting"),
        pytest.param(
            {"asr": {"settings": {"diarization_model": "x"}}}, "voices.settings", id="a pipeline for asr alone"
        ),
        pytest.param({"settings": {"diarization_model": "x"}}, "voices.settings", id="a pipeline for all"),
        pytest.param(
            {"nats": {"enabled": False, "url": "nats://x"}, "asr": {"keda": KEDA}},
            "monitoringEndpoint",
            id="KEDA blind",
        ),
        *(
            pytest.param(
                {component.value: {"settings": {name: 7}}}, "under settings", id=f"{name} of {component} alone"
            )
            for component in Service
            for name in ("ack_wait_s", "check_limit", "download_limit", "queue_bytes")
        ),
        *(
            pytest.param({"settings": {name: 0}}, "the chart sets it", id=f"{name} of all")
            for name in ("grace_s", "metrics_port", "volume_path")
        ),
        *(
            pytest.param({component.value: {"settings": {name: 0}}}, "the chart sets it", id=f"{name} of {component}")
            for component in Service
            for name in ("grace_s", "metrics_port", "volume_path")
        ),
        *(
            pytest.param(
                {"downloader": {scaler: {"enabled": True, "maxReplicas": DOWNLOADS + 1}}},
                f"{DOWNLOADS} downloads",
                id=f"more downloaders by {scaler} than downloads",
            )
            for scaler in ("autoscaling", "keda")
        ),
    ],
)
def test_values_that_contradict_each_other_are_refused_with_advice(
    render: Render, values: dict[str, Any], words: str
) -> None:
    with pytest.raises(HelmRenderError, match=words):
        render(values)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"downloader": {"keda": KEDA | {"maxReplicas": DOWNLOADS}}}, id="as many as by default"),
        pytest.param(
            {"downloader": {"keda": KEDA | {"maxReplicas": 24}}, "settings": {"download_limit": 24}},
            id="a higher limit",
        ),
        pytest.param({"downloader": {"keda": {"maxReplicas": 500}}}, id="not enabled"),
    ],
)
def test_an_autoscaler_may_have_as_many_downloaders_as_downloads(render: Render, values: dict[str, Any]) -> None:
    assert render(values)


@pytest.mark.parametrize("key", sorted(VALUES))
def test_a_top_level_key_without_value_is_refused_by_name_or_does_no_harm(chart: Chart, key: str) -> None:
    try:
        chart.render({"auth": {"seed": "tests"}} | {key: None}, name="ingest", namespace="somewhere")
    except HelmValuesError as error:
        assert f"missing property '{key}'" in str(error)  # noqa: PT017 (either is right)
