"""All values of the chart on one page: `python -m k8s.values_page > charts/README.md`.

A comment `# --` in values.yaml describes the key below it; the comment of a key of the top level introduces its table.
"""

from __future__ import annotations

import json
import re
import sys
from functools import reduce
from operator import getitem

import yaml

from k8s.manifest import CHART

KEY = re.compile(r"( *)([\w-]+):( .*)?")
COMMENT = re.compile(r" *# (?:-- )?(.*)")
TABLE = "\n| key | default | description |\n|---|---|---|\n"
HEAD = """<!-- Made by `python -m k8s.values_page` from values.yaml: change it there. -->
# {name}

{description}. Version {version}, for Kubernetes {kubeVersion}.

```sh
helm install ingest charts/ --namespace ingest --create-namespace --set volume.storageClass=CLASS
```

All values of the chart. An unknown key or a value of the wrong type is refused (`values.schema.json`). A key without a
description is the Kubernetes field of the same name.
"""


def text() -> str:
    """Return the page."""
    source = (CHART / "values.yaml").read_text()
    values = yaml.safe_load(source)
    tables = {"": TABLE}
    path: list[str] = []
    comment: list[str] = []
    for line in source.splitlines():
        key = KEY.fullmatch(line)
        if key and isinstance(reduce(getitem, path[: len(key[1]) // 2], values), dict):
            path = [*path[: len(key[1]) // 2], key[2]]
            if len(path) == 1 and not key[3]:
                tables[key[2]] = f"\n## {key[2]}\n" + "".join(f"\n{' '.join(comment)}\n" for _ in comment[:1]) + TABLE
            else:
                tables[path[0] if path[0] in tables else ""] += _row(
                    path, comment, reduce(getitem, path, values), key[3]
                )
        note = COMMENT.fullmatch(line)
        comment = [*comment, note[1]] if note else []
    return HEAD.format(**yaml.safe_load((CHART / "Chart.yaml").read_text())) + "".join(tables.values())


def _row(path: list[str], comment: list[str], default: object, is_leaf: object) -> str:
    shown = f"`{json.dumps(default)}`" if is_leaf or not isinstance(default, dict) else ""
    return f"| `{'.'.join(path)}` | {shown} | {' '.join(comment)} |\n"


if __name__ == "__main__":
    sys.stdout.write(text())
