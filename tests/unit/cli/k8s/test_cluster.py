"""The problems that `--k8s` reads from pods, and the options that it passes on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from ingest.cli.k8s.pods import pod_problems
from ingest.cli.k8s.remote import options
from ingest.cli.selection import Selection
from ingest.shared.messages import Metadata, Policy

WAITING = {"reason": "CrashLoopBackOff", "message": "back-off 10s"}


def pod(container: dict[str, Any] | None = None, conditions: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    statuses = [{"name": "asr", "ready": False, **container}] if container else []
    return {"status": {"conditions": list(conditions), "containerStatuses": statuses}}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(pod({"state": {"running": {}}}), [], id="no problem"),
        pytest.param(pod({"state": {"waiting": {"reason": "ContainerCreating"}}}), [], id="starting"),
        pytest.param(
            pod(None, ({"type": "PodScheduled", "status": "False", "message": "1 Insufficient nvidia.com/gpu."},)),
            ["waits for nvidia.com/gpu: 1 Insufficient nvidia.com/gpu."],
            id="no GPU",
        ),
        pytest.param(
            pod(None, ({"type": "PodScheduled", "status": "False", "message": "node(s) had untolerated taint(s)"},)),
            ["not scheduled: node(s) had untolerated taint(s)"],
            id="no node",
        ),
        pytest.param(
            pod({"state": {"waiting": WAITING}, "lastState": {"terminated": {"message": "first\nNATS refuses\n"}}}),
            ["asr: CrashLoopBackOff: NATS refuses"],
            id="last line of output",
        ),
        pytest.param(
            pod(
                {"state": {"running": {}}, "lastState": {"terminated": {"exitCode": 78, "message": '{"error": "no"}'}}}
            ),
            ["asr: ended with status 78 and was restarted: no"],
            id="between two crashes",
        ),
        pytest.param(
            pod({"state": {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}}),
            ["asr: ErrImagePull: no such image"],
            id="no image",
        ),
    ],
)
def test_why_a_pod_does_not_run(found: dict[str, Any], expected: list[str]) -> None:
    assert pod_problems(found) == expected


def test_a_selection_becomes_the_options_that_make_it() -> None:
    policy = Policy(min_duration_s=60.0, max_duration_s=None, published_after=datetime(2026, 1, 2, tzinfo=UTC))
    assert options(Selection()) == []
    known = Metadata(published_at=datetime(2025, 3, 1, tzinfo=UTC), min_speakers=2, max_speakers=4, given_language="de")
    assert options(Selection(policy=policy, limit=3, newest_first=True, force=True, known=known)) == [
        *("--limit", "3", "--since", "2026-01-02", "--skip-shorts", "60.0"),
        *("--published", "2025-03-01", "--min-speakers", "2", "--max-speakers", "4", "--language", "de"),
        *("--newest-first", "--force"),
    ]
