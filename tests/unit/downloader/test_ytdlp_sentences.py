"""Every error that the installed yt-dlp can raise for YouTube has a code of its own.

The sentences are read from yt-dlp's source, so that a renewal of yt-dlp shows new ones.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import yt_dlp.extractor.youtube

from ingest.downloader.refusals import Refusal, code_of
from ingest.shared.errors import Code

RAISING = {"ExtractorError", "raise_no_formats", "raise_login_required", "raise_geo_restricted"}
NOT_ASKED = {  # of options that the downloader does not use, or of the listing of comments
    "Unsupported language code: X. Supported language codes (case-sensitive): X.",
}


def sentences() -> set[str]:
    """Return the texts of the errors in yt-dlp's YouTube extractors, with X for each value in them."""
    found: set[str] = set()
    for path in Path(yt_dlp.extractor.youtube.__file__).parent.rglob("*.py"):
        calls = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call) and node.args)
        found |= {text(call.args[0]) for call in calls if called(call) in RAISING}
    return found - {""} - NOT_ASKED


def called(call: ast.Call) -> str:
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def text(node: ast.expr) -> str:
    """Return the literal part of an expression, with X for values in it; empty when there is none."""
    match node:
        case ast.Constant(value=str(value)):
            return value
        case ast.JoinedStr(values=parts):
            return "".join(text(part) or "X" for part in parts)
        case ast.BinOp(left=left, right=right):
            return text(left) + text(right)
        case _:
            return ""


@pytest.mark.parametrize("sentence", sorted(sentences()))
def test_an_error_of_the_youtube_extractor_has_a_code_of_its_own(sentence: str) -> None:
    assert code_of(Refusal(f"[youtube] x: {sentence}")) is not Code.SOURCE_UNKNOWN


def test_the_sentences_are_found() -> None:
    assert len(sentences()) >= 15
