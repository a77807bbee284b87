"""Prints the result of `ingest run` and `ingest submit`: what was done, and what was left out or not read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ingest.cli import console
from ingest.cli.runs import bottleneck
from ingest.downloader.sources.listing import MOST_EXAMPLES
from ingest.shared import outgoing

if TYPE_CHECKING:
    from ingest.cli.runs.request import Request
    from ingest.cli.runs.run import RunResult


def print_requested(result: RunResult, *, as_json: bool) -> None:
    """Print how many recordings were requested, and how many were known."""
    request = result.request
    if as_json:
        console.print_json({"requested": request.requested, "known": request.known, **_account(request)})
        return
    console.out.print(f"{request.requested} requested, {request.known} already known")
    _print_account(request)
    if result.interrupted:
        console.out.print("interrupted: repeat the command to continue")


def print_result(result: RunResult, *, as_json: bool) -> None:
    """Print the summary of a run."""
    request = result.request
    if as_json:
        videos = [{"video_id": video.video_id, "state": video.state, "code": video.code} for video in result.videos]
        figures = {"elapsed_s": round(result.elapsed_s, 2), "requested": request.requested, "tally": result.tally}
        undated = [video.video_id for video in result.undated]
        more = {"videos": videos, "holds": result.holds, "undated": undated}
        console.print_json({**figures, **more, **_account(request)})
        return
    if result.tally.total:
        _print_summary(result)
    elif result.interrupted:
        console.out.print("interrupted: nothing was requested")
    else:
        console.out.print(_why_nothing(request))
    _print_account(request)


def _print_summary(result: RunResult) -> None:
    out, tally = console.out, result.tally
    head = f"{tally.indexed} of {tally.total} indexed"
    others = ((tally.failed, "failed"), (tally.skipped, "skipped"), (tally.deferred, "deferred"))
    head += "".join(f", {number} {name}" for number, name in others if number)
    if result.elapsed_s and tally.indexed_s:
        head += f"; {console.hours(tally.indexed_s)} of audio in {console.clock(result.elapsed_s)}"
    out.print(head, style="bold")
    out.print(f"this run: {tally.fresh_downloads} downloads, {tally.fresh_transcripts} transcriptions")
    for line in bottleneck.lines(tally.devices):
        out.print(line)
    for code, number in sorted(tally.reasons.items()):
        out.print(f"  {code}: {number} ({console.advice(code)})", markup=False)
    for name, number in sorted(tally.cut.items()):
        out.print(f"  {name} of {number} recordings was cut or dropped: too long, or impossible", markup=False)
    if result.undated:
        titles = ", ".join(_line(video.metadata.title or video.video_id) for video in result.undated[:MOST_EXAMPLES])
        rest = ", ..." if len(result.undated) > MOST_EXAMPLES else ""
        out.print(f"taken, as --since does not know their day: {len(result.undated)}: {titles}{rest}", markup=False)
    for hold in result.holds:
        for line in hold.lines():
            out.print(line, markup=False)
    if result.interrupted:
        out.print("interrupted: repeat the command to continue")
    elif tally.indexed:
        out.print('next: ingest search "words you remember"')


def _why_nothing(request: Request) -> str:
    """Return why there is nothing to do."""
    if not request.sources and request.selection.force:
        return "nothing to do: the archive has no such recording"
    if not request.sources:
        return "nothing to do; name a source: ingest run SOURCE"
    if request.listing.problems:
        return "nothing was requested"
    since = request.selection.policy.published_after
    if since is not None:
        return f"nothing to do: the sources list nothing newer than {since:%Y-%m-%d}"
    return "nothing to do: everything that the sources list is indexed"


def _print_account(request: Request) -> None:
    """Print what was requested again, what was left out, and what could not be read, with the reasons."""
    out = console.out
    for reason, decided in sorted(request.again.items()):
        when = f", from {decided.at:%Y-%m-%d %H:%M} UTC on" if decided.at else ""
        out.print(f"{decided.count} {reason}{when}", markup=False)
    for note in request.listing.notes:
        out.print(_line(note), markup=False)
    left_out = request.listing.left_out
    if left_out:
        out.print(f"left out: {sum(one.count for one in left_out.values())}")
    for why, one in sorted(left_out.items()):
        examples = ", ".join(_line(name) for name in one.examples) + (", ..." if one.count > len(one.examples) else "")
        out.print(f"  {one.count} {why}: {examples}", markup=False)
    for problem in request.listing.problems:
        out.print(_line(f"not read: {problem.name}: {problem.error}"), style="red", markup=False)


def _line(text: str) -> str:
    return outgoing.line(outgoing.redact(text))


def _account(request: Request) -> dict[str, Any]:
    listing = request.listing
    return {
        "left_out": [
            {"reason": reason, "count": one.count, "examples": [outgoing.redact(name) for name in one.examples]}
            for reason, one in sorted(listing.left_out.items())
        ],
        "not_read": [
            {
                "name": outgoing.redact(problem.name),
                "code": problem.error.code,
                "message": outgoing.redact(problem.error.message),
            }
            for problem in listing.problems
        ],
        "notes": [outgoing.redact(note) for note in listing.notes],
        "again": {reason.name.lower(): decided.count for reason, decided in request.again.items()},
    }
