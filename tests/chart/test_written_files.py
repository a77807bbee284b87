"""Files that repeat the chart or the code: the schema, the pages, the manifests for other installations."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from helm_python import show

from ingest.asr.settings import AsrSettings
from ingest.shared.broker.permissions import USERS, permissions
from k8s import nats_users, values_page
from k8s.manifest import CHART, text
from tests.support.rendered import VALUES

K8S = Path(__file__).parents[2] / "k8s"


def test_values_and_schema_have_the_same_keys() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert VALUES.keys() == schema["properties"].keys()
    voices = schema["properties"]["voices"]["properties"]["settings"]["properties"]
    ours = {name for name in AsrSettings.model_fields if name.startswith(("diarization_", "voice_"))}
    assert voices.keys() == VALUES["voices"]["settings"].keys()
    assert voices.keys() == ours - {"diarization_token"} | {"min_speakers", "max_speakers"}


def test_the_users_for_the_official_nats_chart_are_the_same() -> None:
    written = (K8S / "operators" / "nats.yaml").read_text()
    assert written == nats_users.text(), "python -m k8s.nats_users > k8s/operators/nats.yaml"
    values = yaml.safe_load(written)
    users = values["config"]["merge"]["authorization"]["users"]
    found = {user["user"]: user["permissions"] for user in users}
    assert {name: tuple(rights["publish"]["allow"]) for name, rights in found.items()} == {
        user: permissions(user).publish for user in USERS
    }
    assert {name: tuple(rights["subscribe"]["allow"]) for name, rights in found.items()} == {
        user: permissions(user).subscribe for user in USERS
    }


def test_the_plain_manifest_is_the_chart() -> None:
    assert (K8S / "ingest.yaml").read_text() == text(), "python -m k8s.manifest > k8s/ingest.yaml"


def test_the_readme_of_the_chart_has_all_values() -> None:
    page = show(str(CHART), output_format="readme")
    assert page.strip() == values_page.text().strip(), "python -m k8s.values_page > charts/README.md"
    assert [key for key in VALUES if f"| `{key}` |" not in page and f"\n## {key}\n" not in page] == []
    assert [key for key in VALUES["asr"] if f"| `asr.{key}` |" not in page] == []


@pytest.mark.parametrize("path", sorted(K8S.rglob("*.yaml")), ids=lambda path: path.name)
def test_every_file_for_clusters_is_yaml(path: Path) -> None:
    assert list(yaml.safe_load_all(path.read_text()))
