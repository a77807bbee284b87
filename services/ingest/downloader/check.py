"""The check stage: finds out whether a recording can be downloaded, and whether it is within the submitter's limits.

The source is asked once, in a child process; its metadata goes into the next message. The error code of a refusal
decides what follows: a lasting refusal skips the video, any other is tried again (see `ingest.downloader.refusals`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from ingest.downloader.exits import unlimited
from ingest.downloader.sources.announced import Announcement, figures
from ingest.downloader.sources.registry import connector_of
from ingest.shared.errors import Code, IngestError
from ingest.shared.messages import Metadata, Policy, VideoAccessible, VideoRequested
from ingest.shared.worker.stage import StageResult

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from ingest.downloader.exits import Exit
    from ingest.downloader.sources.connector import Access
    from ingest.shared.artifacts.volume import Volume
    from ingest.shared.worker.stage import Report

M = TypeVar("M")
T = TypeVar("T")
M_contra = TypeVar("M_contra", contravariant=True)
LOGIN_HELPS = frozenset({Code.AGE_RESTRICTED, Code.MEMBERS_ONLY, Code.VIDEO_PRIVATE, Code.ACCOUNT_REFUSED})
UNDATED = "undated"  # the figure of a recording of unknown day, which --since lets in
AUDIO_ORIGIN = "audio-1"  # a new value makes the download stage ignore the files on the volume and download again


class Permit(Protocol[M_contra]):
    """Grants a request for a message, through an exit that it yields; with `login`, through one with an account."""

    def __call__(self, message: M_contra, login: bool, /) -> AbstractContextManager[Exit | None]:  # noqa: FBT001 (see `asked`)
        """Return the permit."""


@dataclass(frozen=True)
class Check:
    """The handler of the check stage."""

    volume: Volume
    access: Access
    max_duration_s: float
    permit: Permit[VideoRequested] = unlimited
    has_accounts: bool = False

    def __call__(self, message: VideoRequested, _report: Report) -> StageResult:
        """Return VideoAccessible with the metadata; raise the reason why the recording is not wanted or not to be had.

        The source is not asked when the audio is on the volume already.
        """
        connector = connector_of(message.source.kind)
        found, way = Announcement(), None
        if self.volume.find(message.video_id, "audio", AUDIO_ORIGIN, message.fresh_from) is None:

            def check(way: Exit | None) -> Announcement:
                return connector.check(message.source, self.access.through(way))

            found, way = asked(message, self.permit, check, has_accounts=self.has_accounts)
        metadata = connector.combine(message.metadata, found.metadata)
        apply_policy(message.policy, metadata, self.max_duration_s)
        number = way.number if way is not None and way.is_one_of_several else None
        accessible = message.next(VideoAccessible, metadata=metadata, exit=number, captions=message.policy.captions)
        numbers = figures(found.cut)
        if message.policy.published_after is not None and metadata.published_at is None:
            numbers[UNDATED] = 1.0
        news = metadata.model_copy(update={"about": found.metadata.about})  # the archive has that of the request
        return StageResult(accessible, numbers=numbers, metadata=news)


def asked(
    message: M, permit: Permit[M], ask: Callable[[Exit | None], T], *, has_accounts: bool
) -> tuple[T, Exit | None]:
    """Return what a site answers, and the exit; ask an account once more for what a guest is refused."""
    way: Exit | None = None
    try:
        with permit(message, False) as way:
            return ask(way), way
    except IngestError as error:
        if way is None or way.cookies_file or not has_accounts or error.code not in LOGIN_HELPS:
            raise
    with permit(message, True) as way:
        return ask(way), way


def apply_policy(policy: Policy, metadata: Metadata, longest_s: float) -> None:
    """Raise TOO_SHORT, TOO_LONG or TOO_OLD for a recording outside the submitter's limits or ours."""
    duration, published = metadata.duration_s, metadata.published_at
    longest_s = min(longest_s, policy.max_duration_s or longest_s)
    if duration is not None and duration < (policy.min_duration_s or 0):
        raise IngestError(Code.TOO_SHORT, f"{duration:.0f} s, wanted at least {policy.min_duration_s:.0f} s")
    if duration is not None and duration > longest_s:
        name = "--max-duration" if policy.max_duration_s == longest_s else "INGEST_MAX_AUDIO_S"
        raise IngestError(Code.TOO_LONG, f"{duration / 3600:.1f} h > limit {longest_s / 3600:.1f} h ({name})")
    since = policy.published_after
    if published is not None and since is not None and published < since:
        raise IngestError(Code.TOO_OLD, f"published {published:%Y-%m-%d}, wanted since {since:%Y-%m-%d}")
