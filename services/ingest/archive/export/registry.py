"""The table of formats: a new one is a module with a `FORMAT`, and a line here."""

from __future__ import annotations

from ingest.archive.export import markdown, own_json, parquet, podcast, rttm, srt, table, txt, vtt

FORMATS = {
    module.FORMAT.name: module.FORMAT for module in (vtt, srt, txt, markdown, own_json, parquet, podcast, rttm, table)
}
