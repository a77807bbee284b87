"""Every sentence that the installed yt-dlp can raise or report for YouTube has a verdict.

The sentences are read from yt-dlp's source, so that a renewal of yt-dlp shows new ones. The verdict is an error code,
or that the sentence refuses nothing (`NOTICES`).
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

import pytest
import yt_dlp.extractor.youtube

from ingest.downloader.refusals import Refusal, code_of
from ingest.shared.errors import Code

RAISING = {"ExtractorError", "raise_no_formats", "raise_login_required", "raise_geo_restricted"}
REPORTING = {"report_warning", "report_error", "warning", "error"}
NOTICES = (  # what yt-dlp goes on without, options that the downloader does not set, comments
    "A video URL was given without video ID. Trying to download playlist",
    "Bun NPM package downloads only support",
    "Cannot parse localized time text",
    "Detected YouTube comments looping",
    "Failed to parse user PREF cookie",
    "Incomplete data received in embedded initial data; re-fetching using API",
    "Invalid player JS ",
    "Invalid po_token configuration",
    "Invalid webpage_client",
    "Malformed storyboard",
    "No title found in player responses",
    "PoTokenCacheSpecProvider",
    "Playlists that require authentication may not extract correctly",
    "Preferring ",
    "Received incomplete data for a comment reply thread",
    "Skipping client ",
    "Skipping unsupported client ",
    "Skipping player responses from ",
    "Some X client X formats are possibly damaged",
    "Starting download from the last 120 hours of the live stream",
    "Unable to mark ",
    "Unable to recognize playlist. Downloading just video",
    "Unsupported language code",
    "Unsupported lockup view model content type",
    "X This is a developer option",
    "X may have an experiment that applies DRM",  # behind the sentence about the formats
    "X. For more information and alternatives",
    "YouTube Music is not directly supported. Redirecting",
    "bun version X is not supported",
)
VALUE = re.compile(r"\{[^{}]*\}")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def sentences(source: str) -> set[str]:
    """Return the texts of the errors and warnings in a program, with X for each value in them."""
    tree = ast.parse(source)
    found: set[str] = set()
    for function in [node for node in ast.walk(tree) if isinstance(node, FUNCTIONS)]:
        variables: defaultdict[str, set[str]] = defaultdict(set)
        for node in ast.walk(function):
            if isinstance(node, (ast.Assign, ast.AugAssign, ast.NamedExpr)):
                for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                    variables[getattr(target, "id", "")] |= texts(node.value, {})
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and node.args and called(node) in RAISING | REPORTING:
                found |= texts(node.args[0], variables)
    return {one.strip() for one in found if re.search(r"[a-z]{3}", one)}


def called(call: ast.Call) -> str:
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def texts(node: ast.expr, variables: dict[str, set[str]]) -> set[str]:
    """Return what an expression may be, with X for values in it; empty when it has no literal part."""
    found: set[str] = set()
    match node:
        case ast.Constant(value=str(value)):
            found = {value}
        case ast.JoinedStr(values=parts):
            found = {"".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in parts)}
        case ast.BinOp(left=left, right=right):
            found = {a + b for a in texts(left, variables) or {""} for b in texts(right, variables) or {""}}
        case ast.IfExp(body=one, orelse=other):
            found = texts(one, variables) | texts(other, variables)
        case ast.BoolOp(values=parts):
            found = {text for part in parts for text in texts(part, variables)}
        case ast.Name(id=name):
            found = variables.get(name, set())
        case ast.Call(func=ast.Attribute(value=template, attr="format")):
            found = {VALUE.sub("X", one) for one in texts(template, variables)}
        case ast.Call(func=ast.Name(id="bug_reports_message"), args=[first, *_]):
            found = texts(first, variables)
    return found


def of_the_installed() -> set[str]:
    folder = Path(yt_dlp.extractor.youtube.__file__).parent
    return {sentence for path in folder.rglob("*.py") for sentence in sentences(path.read_text())}


@pytest.mark.parametrize("sentence", sorted(of_the_installed()))
def test_a_sentence_of_the_youtube_extractor_has_a_verdict(sentence: str) -> None:
    is_known = code_of(Refusal(f"[youtube] x: {sentence}")) is not Code.SOURCE_UNKNOWN
    assert is_known or sentence.startswith(NOTICES), f"a new sentence of yt-dlp: {sentence}"


def test_each_notice_is_one_of_the_installed_yt_dlp() -> None:
    found = of_the_installed()
    assert [notice for notice in NOTICES if not any(one.startswith(notice) for one in found)] == []


def test_the_sentences_are_found() -> None:
    assert len(of_the_installed()) >= 60
    program = """
def extract(self, name):
    message = 'None of it'
    message += f' is like {name}'
    other = name or '{} looks like {what}'
    self.report_warning(message)
    self.report_warning(other.format(1, what=2), only_once=True)
    self.logger.warning(bug_reports_message('Odd one' if name else f'Even {name}'))
    raise ExtractorError('Wrong: ' + name, expected=True)
"""
    assert sentences(program) == {"None of it", "is like X", "X looks like X", "Odd one", "Even X", "Wrong:"}


def test_a_sentence_without_a_verdict_is_one() -> None:
    """What the installed yt-dlp could say anew."""
    (sentence,) = sentences("def extract(self):\n    raise ExtractorError('The gate is closed on Mondays')\n")
    assert code_of(Refusal(f"[youtube] x: {sentence}")) is Code.SOURCE_UNKNOWN
    assert not sentence.startswith(NOTICES)
