"""Parquet: a row for each passage, with its vector on request. The package that writes it is an extra of its own."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, Any, BinaryIO

from ingest.archive.export.form import Format

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ingest.archive.export.cues import Rules
    from ingest.archive.export.document import Document

GROUP_ROWS = 10_000  # of a row group, the unit that readers load
MEDIA_TYPE = "application/vnd.apache.parquet"


def put(documents: Iterable[Document], _rules: Rules, file: BinaryIO) -> None:
    """Write recordings as rows; those of a row group are in memory."""
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    schema: Any = None
    writer: Any = None
    rows: list[dict[str, Any]] = []
    try:
        for document in documents:
            if writer is None:
                schema = _schema(pa, has_vectors=document.vectors is not None)
                writer = ParquetWriter(file, schema, compression="zstd")
            rows.extend(_rows(document.printable()))
            if len(rows) >= GROUP_ROWS:
                writer.write_table(pa.Table.from_pylist(rows, schema))
                rows.clear()
        if writer is not None:
            writer.write_table(pa.Table.from_pylist(rows, schema))
    finally:
        if writer is not None:
            writer.close()


def _schema(pa: Any, *, has_vectors: bool) -> Any:  # noqa: ANN401 (the package ships no types)
    columns = {
        "id": pa.string(),
        "title": pa.string(),
        "channel": pa.string(),
        "published_at": pa.timestamp("us", tz="UTC"),
        "language": pa.string(),
        "passage": pa.int32(),
        "start_s": pa.float64(),
        "end_s": pa.float64(),
        "speaker": pa.string(),
        "score": pa.float32(),
        "is_overlap": pa.bool_(),
        "also_speaking": pa.list_(pa.string()),
        "flags": pa.list_(pa.string()),
        "text": pa.string(),
        "link": pa.string(),
    }
    return pa.schema(columns | ({"model": pa.string(), "vector": pa.list_(pa.float32())} if has_vectors else {}))


def _rows(document: Document) -> Iterator[dict[str, Any]]:
    recording = document.recording
    about = {
        "id": recording.video_id,
        "title": recording.title,
        "channel": recording.channel,
        "published_at": recording.published_at,
        "language": recording.language,
    }
    for passage, vector in zip(document.passages, document.vectors or repeat(None), strict=False):
        yield {
            **about,
            "passage": passage.index,
            "start_s": passage.start_s,
            "end_s": passage.end_s,
            "speaker": passage.speaker,
            "score": passage.score,
            "is_overlap": passage.is_overlap,
            "also_speaking": list(passage.also_speaking),
            "flags": list(passage.flags),
            "text": passage.text,
            "link": document.link(passage.start_s),
            "model": document.model if vector else None,
            "vector": vector,
        }


FORMAT = Format("parquet", "parquet", MEDIA_TYPE, put, joins=True, is_text=False, needs=("pyarrow", "parquet"))
