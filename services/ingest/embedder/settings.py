"""Settings of the embedder."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from ingest.shared.settings import Positive, PositiveSeconds, Settings


class EmbedderSettings(Settings):
    """The settings of the embedder."""

    database_url: SecretStr | None = None
    """Postgres with pgvector, as postgresql://user@host/name. Without it `ingest run` starts an embedded one."""
    database_password: SecretStr | None = None
    """Password for Postgres, when it is not in the URL."""
    database_schema: Annotated[str | None, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}$")] = None
    """Schema of the archive's tables. Without it, an archive is found where it is; a new one is made in `public`, or in
    `ingest` where `public` has tables of another application."""
    db_workers: Positive = 12
    """Videos that this process indexes at the same time; their passages share the batches of one device."""
    database_timeout_s: PositiveSeconds = 60.0
    """Longest duration of a database call; after it, the call fails and the message is redelivered."""
    embedding_model: str = "all-MiniLM-L6-v2"
    """sentence-transformers model: a name on the hub or a folder. all-MiniLM-L6-v2 comes with the local extra and
    knows English only; `multilingual` is intfloat/multilingual-e5-small."""
    embedding_revision: str | None = None
    """Branch, tag or commit of a model on the hub; without it, the newest one that the hub or the cache has."""
    embedding_dimensions: Positive | None = None
    """Shortens vectors to so many numbers, for a model that was trained for it (Matryoshka); else they get worse."""
    embedding_device: Literal["auto", "cpu", "cuda"] = "auto"
    """Device of the model; auto is cuda where a CUDA device is visible."""
    embedding_batch_size: Positive = 256
    """Passages in a batch; halved when memory runs out."""
    embedding_batch_wait_s: Annotated[float, Field(ge=0)] = 0.02
    """Seconds that an incomplete batch waits for passages of other videos."""
    passage_min_chars: Positive = 400
    """Segments are merged until a passage has this many characters (Han letters, kana and Hangul count as three) ..."""
    passage_max_chars: Positive = 1200
    """... and never beyond this number."""
    passage_max_gap_s: PositiveSeconds = 3.0
    """A pause that is longer than this always begins a new passage."""
    passage_max_s: PositiveSeconds = 60.0
    """A passage is never longer than this."""
    embed_deadline_s: PositiveSeconds = 1800.0
    """Deadline of one video; the watchdog kills a worker that exceeds it."""

    @property
    def longest_job_s(self) -> float:
        """Return the longest time that a job may take."""
        return max(self.embed_deadline_s, super().longest_job_s)
