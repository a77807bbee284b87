"""Data classes that hold arrays: compared by value they would raise, or not, as the version of Python has it."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import ingest

if TYPE_CHECKING:
    from collections.abc import Iterator

ARRAY = re.compile(r"(?!Batcher\b).*\b(NDArray|FloatArray|Waveform|Vectors?)\b")


def data_classes_with_arrays() -> Iterator[tuple[str, str]]:
    """Return name and decorator of each data class that has a field of arrays."""
    for path in Path(ingest.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.ClassDef):
                continue
            decorators = [ast.unparse(item) for item in node.decorator_list]
            annotations = [ast.unparse(item.annotation) for item in node.body if isinstance(item, ast.AnnAssign)]
            if any(item.startswith("dataclass") for item in decorators) and any(map(ARRAY.match, annotations)):
                yield node.name, decorators[0]


def test_a_data_class_that_holds_arrays_is_compared_by_identity() -> None:
    found = dict(data_classes_with_arrays())
    assert {"Profile", "Request"} <= found.keys()
    assert [name for name, decorator in found.items() if "eq=False" not in decorator] == []
