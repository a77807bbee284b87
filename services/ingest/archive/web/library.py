"""Answers the questions of API and pages, in the shapes of the API: one content for both."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from ingest.archive import reading, spoken
from ingest.archive.citing import Citing
from ingest.archive.model import NotReadyError
from ingest.archive.web import highlight, inputs, shapes
from ingest.archive.web.problems import BAD_PARAMETER, LOADING, NOT_FOUND, ProblemError
from ingest.embedder.search import wording
from ingest.embedder.search.hybrid import Search
from ingest.embedder.search.question import Question
from ingest.embedder.tables import corrections, speaker_statements
from ingest.embedder.tables.catalog import Catalog
from ingest.shared import outgoing
from ingest.shared.errors import RULES, Code
from ingest.shared.links import link, player

if TYPE_CHECKING:
    from ingest.archive.model import Model
    from ingest.archive.reading import Reading, RecordingRow
    from ingest.embedder.search.question import Hit
    from ingest.embedder.tables.corrections import CorrectionRow
    from ingest.embedder.tables.speaker_statements import StatementRow
    from ingest.shared.artifacts.transcript import Transcript
    from ingest.shared.artifacts.volume import Volume

API = "/api/v1"
MODEL_WAIT_S = 20.0
MOST_SPEAKERS = 500
MOST_CHANNELS = 200
MOST_RECENT = 50
MOST_PARTS = 20
MOST_LISTED = 1000
UNFINISHED = ("failed", "running", "postponed", "deferred", "queued", "skipped")


@dataclass(frozen=True)
class Library:
    """The archive behind the web server: its tables, its volume and its text model."""

    reading: Reading
    volume: Volume
    model: Model

    def search(self, asked: inputs.SearchInput) -> shapes.Hits:
        """Return the answers to a question."""
        if not wording.read(asked.q).meaning:
            raise ProblemError(BAD_PARAMETER, "the question has only words that are left out: it needs others, too")
        question = Question(
            text=asked.q,
            speaker=asked.speaker,
            channel=asked.channel,
            since=asked.since,
            until=asked.before,
            language=asked.language,
            video_id=asked.recording,
            limit=asked.limit,
        )
        hits = self._search().ask(question)
        undated = Catalog(self.reading.database).undated() if question.is_by_day else 0
        cited = Citing(self.reading, self.volume).of_hits(hits) if asked.citations else [None] * len(hits)
        results = tuple(_hit(hit, citation) for hit, citation in zip(hits, cited, strict=True))
        return shapes.Hits(results=results, undated=undated)

    def similar(self, video_id: str, asked: inputs.SimilarInput) -> shapes.Hits:
        """Return the passages that are like a passage."""
        self.row(video_id)
        found = self._search().similar(video_id, asked.passage, asked.limit)
        if found is None:
            raise ProblemError(NOT_FOUND, "the recording has no passage of this number")
        return shapes.Hits(results=tuple(map(_hit, found)))

    def recordings(self, asked: inputs.RecordingsInput) -> shapes.Recordings:
        """Return a page of the list of recordings."""
        listing = reading.Listing(
            channel=asked.channel,
            speaker=asked.speaker,
            language=asked.language,
            state=asked.state,
            since=asked.since,
            until=asked.before,
            after=asked.after,
            limit=asked.limit + 1,
        )
        rows = self.reading.recordings(listing)
        shown = rows[: asked.limit]
        more = len(rows) > len(shown)
        following = inputs.cursor(shown[-1].published_at or reading.OLDEST, shown[-1].video_id) if more else None
        return shapes.Recordings(recordings=tuple(map(_recording, shown)), next=following)

    def recording(self, video_id: str) -> shapes.RecordingDetail:
        """Return a recording with its speakers."""
        row = self.row(video_id)
        catalog = Catalog(self.reading.database)
        spoken_rows = catalog.speakers(video_id)
        total_s = sum(item.duration_s for item in spoken_rows) or 1.0
        shares = [
            shapes.Share(seconds=item.duration_s, share=item.duration_s / total_s, **_figures(item))
            for item in spoken_rows
        ]
        kept = self.volume.manifest(video_id, "audio") is not None
        return shapes.RecordingDetail(
            **_recording(row).model_dump(),
            about=_about(catalog.about(video_id)),
            speakers=tuple(shares),
            by_hand=tuple(map(_statement, speaker_statements.listed(self.reading.database, video_id))),
            corrections=tuple(map(_correction, corrections.listed(self.reading.database, video_id, None, MOST_LISTED))),
            audio=f"{API}/recordings/{video_id}/audio" if kept else None,
            player=player(row.source_kind, video_id),
            transcript=f"{API}/recordings/{video_id}/transcript",
        )

    def transcript(self, video_id: str, asked: inputs.TranscriptInput) -> shapes.Transcript:
        """Return the passages of a recording, with their words where they are asked for."""
        row = self.row(video_id)
        passages = self.reading.passages(video_id)
        words: list[tuple[shapes.SpokenWord, ...] | None] = [None] * len(passages)
        citing = Citing(self.reading, self.volume)
        if asked.words:
            found = spoken.words_of(passages, self._text(video_id))
            words = [tuple(shapes.SpokenWord(**word.model_dump()) for word in group) for group in found]
        return shapes.Transcript(
            id=video_id,
            title=row.title,
            language=row.language,
            duration_s=row.duration_s,
            passages=tuple(
                shapes.Passage(
                    **asdict(passage),
                    link=link(row.source_kind, row.source_url, passage.start_s),
                    words=group,
                    citation=citing.token(video_id, passage) if asked.citations else None,
                )
                for passage, group in zip(passages, words, strict=True)
            ),
        )

    def _text(self, video_id: str) -> Transcript | None:
        """Return the transcript of a recording with what people have said about it."""
        recognised, said = spoken.stored(self.volume, video_id), self.reading.overlay(video_id)
        turns = spoken.turns_of(self.volume, video_id, recognised) if said.speakers else ()
        return spoken.corrected(recognised, turns, said)

    def speakers(self) -> shapes.Speakers:
        """Return the named speakers."""
        rows = self.reading.speakers(MOST_SPEAKERS)
        return shapes.Speakers(
            speakers=tuple(shapes.Speaker(**asdict(row)) for row in rows), unnamed_s=self.reading.unnamed_s()
        )

    def speaker_names(self) -> list[str]:
        """Return the names of the speakers."""
        return [row.speaker for row in self.reading.speakers(MOST_SPEAKERS)]

    def status(self) -> shapes.Status:
        """Return what the archive holds, what is on its way, and what failed."""
        totals = Catalog(self.reading.database).totals()
        indexed = [total for total in totals if total.state == "indexed"]
        return shapes.Status(
            recordings=sum(total.videos for total in totals),
            indexed=sum(total.videos for total in indexed),
            duration_s=sum(total.duration_s for total in indexed),
            passages=sum(total.passages for total in indexed),
            totals=tuple(
                shapes.Total(
                    state=total.state,
                    code=total.error_code or None,
                    advice=_advice(total.error_code),
                    recordings=total.videos,
                    duration_s=total.duration_s,
                    passages=total.passages,
                )
                for total in totals
            ),
            channels=tuple(shapes.Part(**asdict(row)) for row in self.reading.parts("channel", MOST_PARTS)),
            languages=tuple(shapes.Part(**asdict(row)) for row in self.reading.parts("language", MOST_PARTS)),
            recent=tuple(map(_recording, self.reading.latest(UNFINISHED, MOST_RECENT))),
            search=self.model.reason or "ready",
        )

    def change(self, change_id: str) -> shapes.Change:
        """Return what became of a change; one of which nothing is known counts as waiting."""
        found = self.reading.change(change_id)
        if found is None:
            return shapes.Change(id=change_id, state="waiting", result=None, at=None)
        state: Literal["done", "refused"] = "done" if found.is_done else "refused"
        return shapes.Change(id=change_id, state=state, result=outgoing.redact(found.result), at=found.at)

    def sought(self, question: str) -> list[str]:
        """Return the words of a question that are marked in answers."""
        words = highlight.words_of(question)
        return self.reading.content_words(words) if words else []

    def channels(self) -> list[str]:
        """Return the names of the channels."""
        return self.reading.channels(MOST_CHANNELS)

    def _search(self) -> Search:
        try:
            return Search(self.reading.database, self.model.get(MODEL_WAIT_S))
        except NotReadyError:
            raise ProblemError(LOADING, "the text model is being loaded; ask again in some seconds") from None

    def row(self, video_id: str) -> RecordingRow:
        """Return a recording as it is stored; raise ProblemError when there is none with this id."""
        row = self.reading.recording(video_id)
        if row is None:
            raise ProblemError(NOT_FOUND, "the archive has no recording with this id")
        return row


def page(video_id: str, start_s: float | None = None) -> str:
    """Return the path of a recording's page, at a second."""
    return f"/recordings/{quote(video_id)}" + ("" if start_s is None else f"?t={start_s:.1f}")


def _recording(row: RecordingRow) -> shapes.Recording:
    shown_code = row.error_code if row.state != "indexed" else None
    return shapes.Recording(
        id=row.video_id,
        title=row.title,
        channel=row.channel,
        published_at=row.published_at,
        date_source=row.date_source,
        duration_s=row.duration_s,
        language=row.language,
        state=row.state,
        passages=row.passages or 0,
        link=link(row.source_kind, row.source_url, 0),
        page=page(row.video_id),
        code=shown_code,
        reason=outgoing.redact(row.error_message) if shown_code and row.error_message else None,
        advice=_advice(shown_code),
    )


def _about(said: dict[str, Any]) -> shapes.About:
    """Return what a source says, without the secrets of the addresses in any of its texts."""
    thumbnail = said.get("thumbnail")
    shown = json.loads(outgoing.as_json(said, str))
    return shapes.About(**{**shown, "thumbnail": outgoing.address(thumbnail) if thumbnail else None})


def _advice(code: str | None) -> str | None:
    """Return the advice for an error code; a code of a newer version has none."""
    return RULES[Code[code]].advice if code is not None and code in Code.__members__ else None


def _figures(item: object) -> dict[str, object]:
    return {name: getattr(item, name) for name in ("speaker", "passages", "least_score", "overlapping", "named_by")}


def _statement(row: StatementRow) -> shapes.Statement:
    return shapes.Statement(**{name: getattr(row, name) for name in shapes.Statement.model_fields})


def _correction(row: CorrectionRow) -> shapes.Correction:
    return shapes.Correction(**{name: getattr(row, name) for name in shapes.Correction.model_fields})


def _hit(hit: Hit, citation: str | None = None) -> shapes.Hit:
    fields = {name: getattr(hit, name) for name in shapes.Hit.model_fields if hasattr(hit, name)}
    where = {"link": hit.url, "page": page(hit.video_id, hit.start_s)}
    return shapes.Hit(**fields, **where, recording=hit.video_id, citation=citation)
