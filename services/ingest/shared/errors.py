"""The errors of a video, by name: the one table of error codes.

A code is used everywhere under the same name: in the dead letter, the table `videos`, the log, the metric label and on
the command line. Its `Outcome` is a word that only the worker acts on:

    IngestError(code)
      PERMANENT   dead letter at once; the video is `failed`
      SKIPPED     not for us (private, members only, too short ...); the video is `skipped`, with the reason
      TRANSIENT   again after a pause, counted; a dead letter when the attempts of this code are used up. A code with
                  `later_s` is first deferred by these pauses: its cause (the site, an account, a proxy, yt-dlp, or one
                  that is not known) may pass within days
      POSTPONED   not the video's fault (rate limit, full disk, database down): again later, never counted
      DEFERRED    available at a later time (premiere, live stream): the video is `deferred` until then
      DONE        nothing to do any more (another worker was faster): acknowledged

Adapters translate foreign errors into an `IngestError` with `raise ... from`; anything else is a bug (`UNEXPECTED`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class Outcome(StrEnum):
    """What the worker does about an error; see the module docstring."""

    PERMANENT = "permanent"
    SKIPPED = "skipped"
    TRANSIENT = "transient"
    POSTPONED = "postponed"
    DEFERRED = "deferred"
    DONE = "done"


class Code(StrEnum):
    """Every error code there is."""

    # intake
    BAD_MESSAGE = "BAD_MESSAGE"
    BAD_VERSION = "BAD_VERSION"
    BAD_FIELD = "BAD_FIELD"
    MESSAGE_TOO_LARGE = "MESSAGE_TOO_LARGE"
    BAD_VIDEO_ID = "BAD_VIDEO_ID"
    # source
    BAD_URL = "BAD_URL"
    URL_NOT_ALLOWED = "URL_NOT_ALLOWED"
    NO_MEDIA_FOUND = "NO_MEDIA_FOUND"
    IS_PLAYLIST = "IS_PLAYLIST"
    VIDEO_GONE = "VIDEO_GONE"
    FILE_CHANGED = "FILE_CHANGED"
    VIDEO_PRIVATE = "VIDEO_PRIVATE"
    MEMBERS_ONLY = "MEMBERS_ONLY"
    AGE_RESTRICTED = "AGE_RESTRICTED"
    GEO_BLOCKED = "GEO_BLOCKED"
    DRM_PROTECTED = "DRM_PROTECTED"
    NOT_YET_AVAILABLE = "NOT_YET_AVAILABLE"
    IS_LIVE = "IS_LIVE"
    TOO_SHORT = "TOO_SHORT"
    TOO_LONG = "TOO_LONG"
    TOO_OLD = "TOO_OLD"
    NO_CAPTIONS = "NO_CAPTIONS"
    SOURCE_RATE_LIMITED = "SOURCE_RATE_LIMITED"
    SITE_HELD = "SITE_HELD"
    SOURCE_FORBIDDEN = "SOURCE_FORBIDDEN"
    SOURCE_UNAVAILABLE = "SOURCE_UNAVAILABLE"
    SOURCE_UNKNOWN = "SOURCE_UNKNOWN"
    SITE_CHANGED = "SITE_CHANGED"
    ACCOUNT_REFUSED = "ACCOUNT_REFUSED"
    PROXY_REFUSED = "PROXY_REFUSED"
    NOT_PROCESSED_YET = "NOT_PROCESSED_YET"
    NETWORK_ERROR = "NETWORK_ERROR"
    NETWORK_TIMEOUT = "NETWORK_TIMEOUT"
    DOWNLOAD_TOO_SLOW = "DOWNLOAD_TOO_SLOW"
    TRUNCATED_DOWNLOAD = "TRUNCATED_DOWNLOAD"
    FRAGMENT_MISSING = "FRAGMENT_MISSING"
    TOO_LARGE = "TOO_LARGE"
    # audio
    AUDIO_EMPTY_FILE = "AUDIO_EMPTY_FILE"
    NOT_AUDIO = "NOT_AUDIO"
    AUDIO_CORRUPT = "AUDIO_CORRUPT"
    AUDIO_TRUNCATED = "AUDIO_TRUNCATED"
    AUDIO_SUSPICIOUS = "AUDIO_SUSPICIOUS"
    AUDIO_NONFINITE = "AUDIO_NONFINITE"
    DECODED_LIMIT = "DECODED_LIMIT"
    NO_AUDIO_STREAM = "NO_AUDIO_STREAM"
    # volume
    ARTIFACT_MISSING = "ARTIFACT_MISSING"
    CHECKSUM_MISMATCH = "CHECKSUM_MISMATCH"
    # recognition, embedding, storage
    GPU_OOM = "GPU_OOM"
    DIARIZATION_FAILED = "DIARIZATION_FAILED"
    BAD_VOICEPRINTS = "BAD_VOICEPRINTS"
    BAD_PROFILE = "BAD_PROFILE"
    PROFILE_MODEL = "PROFILE_MODEL"
    TOO_LITTLE_SPEECH = "TOO_LITTLE_SPEECH"
    SEVERAL_VOICES = "SEVERAL_VOICES"
    BAD_TRANSCRIPT = "BAD_TRANSCRIPT"
    BAD_CAPTIONS = "BAD_CAPTIONS"
    BAD_SEGMENT = "BAD_SEGMENT"
    SUPERSEDED = "SUPERSEDED"
    # the worker
    CRASH_LOOP = "CRASH_LOOP"
    JOB_CRASHED = "JOB_CRASHED"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    UNEXPECTED = "UNEXPECTED"
    # the environment
    ENV_JS_RUNTIME = "ENV_JS_RUNTIME"
    ENV_COOKIES = "ENV_COOKIES"
    ENV_DISK_FULL = "ENV_DISK_FULL"
    ENV_VOLUME = "ENV_VOLUME"
    ENV_CUDA = "ENV_CUDA"
    ENV_MODEL = "ENV_MODEL"
    ENV_DB_UNAVAILABLE = "ENV_DB_UNAVAILABLE"
    ENV_DB_FULL = "ENV_DB_FULL"
    ENV_MODEL_VERSION = "ENV_MODEL_VERSION"
    BAD_EMBEDDING = "BAD_EMBEDDING"


@dataclass(frozen=True)
class Rule:
    """What a code means for the video: its outcome, how many attempts it is worth, and what a person can do.

    `later_s` are the pauses, in seconds, of further attempts after these. A postponement of at least `defers_from_s`
    seconds is a deferral: commands do not wait for it.
    """

    outcome: Outcome
    attempts: int
    advice: str
    later_s: tuple[float, ...] = ()
    defers_from_s: float = math.inf


HOUR_S = 3600.0
DAYS_S = (HOUR_S, 6 * HOUR_S, 24 * HOUR_S, 48 * HOUR_S, 96 * HOUR_S)
_PERMANENT = Rule(Outcome.PERMANENT, 1, "the input itself is refused; see the message")
_SKIPPED = Rule(Outcome.SKIPPED, 1, "not open to us; `ingest retry --code` asks again")
_TRANSIENT = Rule(Outcome.TRANSIENT, 5, "`ingest retry --code` tries again")
_ONCE_MORE = Rule(Outcome.TRANSIENT, 2, "read twice with the same result; check the recording at its source")
_POSTPONED = Rule(Outcome.POSTPONED, 1, "waits by itself; nothing is lost")
_DEFERRED = Rule(Outcome.DEFERRED, 1, "comes back by itself at the time shown")

RULES: dict[Code, Rule] = {
    **dict.fromkeys(Code, _PERMANENT),
    Code.VIDEO_GONE: _SKIPPED,
    Code.FILE_CHANGED: Rule(Outcome.SKIPPED, 1, "its new content is another recording: name the file again"),
    Code.VIDEO_PRIVATE: _SKIPPED,
    Code.MEMBERS_ONLY: _SKIPPED,
    Code.AGE_RESTRICTED: _SKIPPED,
    Code.GEO_BLOCKED: _SKIPPED,
    Code.DRM_PROTECTED: _SKIPPED,
    Code.TOO_SHORT: _SKIPPED,
    Code.TOO_LONG: _SKIPPED,
    Code.TOO_OLD: _SKIPPED,
    Code.NO_CAPTIONS: Rule(Outcome.SKIPPED, 1, "request it without `--captions only`: it is recognised"),
    Code.NOT_YET_AVAILABLE: _DEFERRED,
    Code.IS_LIVE: _DEFERRED,
    Code.SOURCE_FORBIDDEN: Rule(Outcome.TRANSIENT, 3, "the site refuses the media itself; try again later"),
    Code.SOURCE_UNAVAILABLE: _TRANSIENT,
    Code.SOURCE_UNKNOWN: Rule(Outcome.TRANSIENT, 3, "the site said something new; see the message", DAYS_S),
    Code.SITE_CHANGED: Rule(
        Outcome.TRANSIENT, 2, "the site has changed, or refuses how it is asked; install the newest yt-dlp", DAYS_S
    ),
    Code.ACCOUNT_REFUSED: Rule(
        Outcome.TRANSIENT, 2, "the site requires a login: renew the cookies (INGEST_COOKIES_FILE)", DAYS_S
    ),
    Code.PROXY_REFUSED: Rule(Outcome.TRANSIENT, 3, "the proxy refuses us; check its address and login", DAYS_S),
    Code.NOT_PROCESSED_YET: Rule(Outcome.TRANSIENT, 1, "the site still processes the recording", DAYS_S),
    Code.NETWORK_ERROR: _TRANSIENT,
    Code.NETWORK_TIMEOUT: _TRANSIENT,
    Code.DOWNLOAD_TOO_SLOW: _TRANSIENT,
    Code.TRUNCATED_DOWNLOAD: Rule(Outcome.TRANSIENT, 3, "the source delivers half a file; try again later"),
    Code.FRAGMENT_MISSING: Rule(Outcome.TRANSIENT, 3, "the source lacks a piece of the stream; try again later"),
    Code.AUDIO_EMPTY_FILE: Rule(Outcome.TRANSIENT, 2, "the file has no content; check it at its source"),
    Code.NOT_AUDIO: _ONCE_MORE,
    Code.AUDIO_CORRUPT: _ONCE_MORE,
    Code.AUDIO_TRUNCATED: _ONCE_MORE,
    Code.DECODED_LIMIT: Rule(
        Outcome.PERMANENT, 1, "raise INGEST_MAX_AUDIO_S, then `ingest retry --code DECODED_LIMIT`"
    ),
    Code.ARTIFACT_MISSING: _ONCE_MORE,
    Code.CHECKSUM_MISMATCH: _ONCE_MORE,
    Code.GPU_OOM: Rule(Outcome.TRANSIENT, 3, "lower INGEST_ASR_BATCH or use a smaller model"),
    Code.DIARIZATION_FAILED: Rule(
        Outcome.DONE, 1, "the transcript is there, without speakers; `ingest submit --force`"
    ),
    Code.BAD_TRANSCRIPT: Rule(Outcome.TRANSIENT, 2, "transcribe again: `ingest submit --force`"),
    Code.BAD_CAPTIONS: Rule(Outcome.PERMANENT, 1, "write the file as SRT or WebVTT with times, in UTF-8"),
    Code.SUPERSEDED: Rule(Outcome.DONE, 1, "a newer run of this video is stored already"),
    Code.CRASH_LOOP: Rule(Outcome.PERMANENT, 3, "this video ended its worker three times; look at the worker's log"),
    Code.JOB_CRASHED: Rule(Outcome.TRANSIENT, 3, "this recording ends the process that reads it"),
    Code.DEADLINE_EXCEEDED: Rule(Outcome.TRANSIENT, 3, "took longer than its deadline allows"),
    Code.UNEXPECTED: Rule(Outcome.TRANSIENT, 3, "a fault of ours; the log has the traceback"),
    Code.SOURCE_RATE_LIMITED: Rule(Outcome.POSTPONED, 1, "held by the site's limit; goes on by itself"),
    Code.SITE_HELD: Rule(
        Outcome.POSTPONED,
        1,
        "recordings of the site fail one after the other; `ingest status` says what to do; goes on by itself",
        defers_from_s=900.0,
    ),
    Code.ENV_JS_RUNTIME: Rule(Outcome.POSTPONED, 1, "install deno 2.3 or newer; `ingest doctor` shows what is found"),
    Code.ENV_COOKIES: Rule(
        Outcome.POSTPONED, 1, "the cookies of an account cannot be used: export them again", defers_from_s=900.0
    ),
    Code.ENV_DISK_FULL: Rule(Outcome.POSTPONED, 1, "free space on the volume, or `ingest purge`"),
    Code.ENV_VOLUME: Rule(Outcome.POSTPONED, 1, "the shared volume cannot be read or written; see the message"),
    Code.ENV_CUDA: Rule(Outcome.POSTPONED, 1, "driver, CUDA libraries and card do not fit; `ingest doctor`"),
    Code.ENV_MODEL: Rule(Outcome.POSTPONED, 1, "the model cannot be loaded; `ingest doctor`"),
    Code.ENV_DB_UNAVAILABLE: _POSTPONED,
    Code.ENV_DB_FULL: Rule(Outcome.POSTPONED, 1, "free space for the database"),
    Code.ENV_MODEL_VERSION: Rule(Outcome.POSTPONED, 1, "the database holds another model's vectors; `ingest doctor`"),
    Code.BAD_EMBEDDING: Rule(Outcome.POSTPONED, 1, "the embedding model answers nonsense; `ingest doctor`"),
}

MAY_BE_THE_SITE = frozenset(  # reasons that may be the site's, an account's, an exit's or our own, not the recording's
    {
        Code.SOURCE_FORBIDDEN,
        Code.SOURCE_UNAVAILABLE,
        Code.SOURCE_UNKNOWN,
        Code.SITE_CHANGED,
        Code.ACCOUNT_REFUSED,
        Code.PROXY_REFUSED,
        Code.NETWORK_ERROR,
        Code.NETWORK_TIMEOUT,
    }
)
MAY_PASS = MAY_BE_THE_SITE | {  # reasons that another day may not have: the next listing of the source tries again
    Code.FILE_CHANGED,
    Code.NOT_PROCESSED_YET,
    Code.DOWNLOAD_TOO_SLOW,
    Code.TRUNCATED_DOWNLOAD,
    Code.FRAGMENT_MISSING,
    Code.DEADLINE_EXCEEDED,
}


class IngestError(Exception):
    """A failure with a code.

    `retry_at` is set where the cause says when to come back, `is_final` where another attempt cannot help any more.
    """

    def __init__(self, code: Code, message: str, *, retry_at: datetime | None = None, is_final: bool = False) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.retry_at = retry_at
        self.is_final = is_final

    @property
    def rule(self) -> Rule:
        """Return what this failure means for the video."""
        return RULES[self.code]


class ConfigurationError(Exception):
    """Something is set up wrongly: the process ends at once and says which key, which value and which rule."""
