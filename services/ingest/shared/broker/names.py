"""The names on a server that others use, too: those of `topology` under the prefix of an installation.

    prefix `ingest` (the default)   ingest.video.requested   INGEST_LATER   ingest_governor   ingest_files
    prefix `talks`                  talks.video.requested    TALKS_LATER    talks_governor    talks_files

All other modules use the names of `topology`; only the connection to the server translates them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingest.shared.broker.topology import Topology

DEFAULT = "ingest"
_STREAM = re.compile(rf"{DEFAULT.upper()}(?=_[A-Z]+$|$)")
_BUCKET = re.compile(rf"^(KV_|OBJ_)?{DEFAULT}(?=_)")
_SUBJECT = re.compile(rf"^{DEFAULT}(?=\.)")


@dataclass(frozen=True)
class Names:
    """The names of the streams, subjects and buckets of one installation."""

    prefix: str = DEFAULT

    def stream(self, name: str) -> str:
        """Return the name of a stream, also of the one that holds a bucket."""
        return self.bucket(_STREAM.sub(self.prefix.upper(), name))

    def bucket(self, name: str) -> str:
        """Return the name of a bucket."""
        return _BUCKET.sub(rf"\g<1>{self.prefix}", name)

    def subject(self, name: str) -> str:
        """Return a subject of a message, or a pattern of subjects."""
        return _SUBJECT.sub(self.prefix, name)

    def right(self, subject: str) -> str:
        """Return the subject of a right of a user, in which names are parts between dots."""
        return ".".join(self.stream(part) for part in self.subject(subject).split("."))

    def topology(self, wanted: Topology) -> Topology:
        """Return streams, consumers and bucket under their names on the server."""
        return replace(
            wanted,
            streams=tuple(
                replace(spec, name=self.stream(spec.name), subjects=tuple(map(self.right, spec.subjects)))
                for spec in wanted.streams
            ),
            consumers=tuple(
                replace(spec, stream=self.stream(spec.stream), subject=self.subject(spec.subject))
                for spec in wanted.consumers
            ),
            bucket=self.bucket(wanted.bucket),
        )


OURS = Names()  # on a server that no other archive shares
