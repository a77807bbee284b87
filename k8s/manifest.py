"""The chart as one plain manifest, for clusters without Helm: `python -m k8s.manifest > k8s/ingest.yaml`.

As the chart installs it by default in the namespace `ingest`, with passwords in an existing Secret `ingest-passwords`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from helm_python import Chart

CHART = Path(__file__).parents[1] / "charts"
HEAD = """# Made by `python -m k8s.manifest` from the chart in charts/. Needs the namespace `ingest`, and in it a Secret
# `ingest-passwords` with the keys that charts/README.md lists at auth.existingSecret:
#   kubectl create secret generic ingest-passwords --namespace ingest --from-literal=nats-asr=... and so on.
"""


def text() -> str:
    """Return the manifest."""
    with Chart.load(CHART) as chart:
        rendered = chart.render({"auth": {"existingSecret": "ingest-passwords"}}, name="ingest", namespace="ingest")
    parts = [
        document.strip("\n")
        for path, content in sorted(rendered.items())
        if path.endswith(".yaml") and "/tests/" not in path
        for document in content.split("\n---\n")
        if any(line and not line.startswith(("#", "---")) for line in document.splitlines())
    ]
    return HEAD + "".join(f"---\n{part.removeprefix('---').strip()}\n" for part in parts)


if __name__ == "__main__":
    sys.stdout.write(text())
