"""Images of the pods: by default those of `make images` and `make images-gpu`, otherwise those of a registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.rendered import containers, deployment

if TYPE_CHECKING:
    from tests.support.rendered import Render


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param({}, "localhost/ingest-asr:0.1.0-cuda", id="where the nodes have them"),
        pytest.param({"asr": {"gpu": {"count": 0}}}, "localhost/ingest-asr:0.1.0", id="without a card"),
        pytest.param({"image": {"tag": "next"}}, "localhost/ingest-asr:next-cuda", id="a tag for all"),
        pytest.param({"asr": {"image": {"tag": "mine"}}}, "localhost/ingest-asr:mine", id="a tag of its own"),
        pytest.param(
            {"global": {"imageRegistry": "r.io/a/"}}, "r.io/a/ingest-asr:0.1.0-cuda", id="the global registry"
        ),
        pytest.param(
            {
                "global": {"imageRegistry": "r.io"},
                "image": {"registry": "s.io"},
                "asr": {"image": {"registry": "t.io"}},
            },
            "t.io/ingest-asr:0.1.0-cuda",
            id="a registry of its own",
        ),
        pytest.param(
            {"asr": {"image": {"digest": "sha256:" + "a" * 64}}},
            "localhost/ingest-asr@sha256:" + "a" * 64,
            id="a digest",
        ),
    ],
)
def test_the_image_of_asr(render: Render, values: dict[str, Any], expected: str) -> None:
    pod = deployment(render(values), "asr")["spec"]["template"]["spec"]
    assert {container["image"] for container in containers(pod)} == {expected}


def test_only_asr_has_an_image_for_cards(render: Render) -> None:
    pod = deployment(render({}), "embedder")["spec"]["template"]["spec"]
    assert {container["image"] for container in containers(pod)} == {"localhost/ingest-embedder:0.1.0"}
