"""Decides which words were invented: written by the recognizer where nothing was said. Pure.

Whisper was trained on subtitles. From noise and music it makes their usual phrases, or a short word. No figure alone
separates them from true words: a short answer is improbable, too. Two figures that are doubtful at the same time do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

IMPROBABLE = -1.0  # mean log probability of the tokens
SILENT = 0.6  # probability of no speech; with IMPROBABLE, Whisper's own rule
SHORT_S = 1.0  # speech in the chunk
A_LITTLE_IMPROBABLE = -0.5  # with a known phrase
A_LITTLE_SILENT = 0.3

_SIGNS = re.compile(r"[^\w\s']+")

# Credits and farewells of subtitles, by many reports, without capitals and marks. "Thank you" is none of them.
PHRASES = frozenset(
    {
        "don't forget to subscribe",
        "i'll see you in the next video",
        "please subscribe to my channel",
        "see you in the next video",
        "subtitles by the amara org community",
        "thank you for watching",
        "thank you so much for watching",
        "thanks for watching",
        "transcription by castingwords",
        "untertitel der amara org community",
        "untertitel im auftrag des zdf für funk 2017",
        "untertitelung des zdf 2020",
        "vielen dank fürs zuschauen",
        "merci d'avoir regardé cette vidéo",
        "sous titrage société radio canada",
        "sous titres réalisés par la communauté d'amara org",
        "sous titres réalisés para la communauté d'amara org",
        "gracias por ver el video",
        "suscríbete al canal",
        "subtítulos realizados por la comunidad de amara org",
        "grazie per la visione",
        "sottotitoli creati dalla comunità amara org",
        "sottotitoli e revisione a cura di qtss",
        "obrigado por assistir",
        "legendas pela comunidade amara org",
        "ondertitels ingediend door de amara org gemeenschap",
        "bedankt voor het kijken",
        "titulky vytvořil johnyx",
        "napisy stworzone przez społeczność amara org",
        "undertexter från amara org gemenskapen",
        "продолжение следует",
        "субтитры сделал dimatorzok",
        "спасибо за просмотр",
        "altyaz\u0131 m k",
        "izlediğiniz için teşekkür ederim",
        "ご視聴ありがとうございました",
        "字幕由amara org社区提供",
        "请不吝点赞订阅转发打赏支持明镜与点点栏目",
        "请不吝点赞 订阅 转发 打赏支持明镜与点点栏目",
        "谢谢观看",
        "시청해주셔서 감사합니다",
        "اشتركوا في القناة",
        "ترجمة نانسي قنقر",
    }
)


@dataclass(frozen=True)
class Evidence:
    """The evidence for invented words: their text, the figures of their chunk, and the seconds of speech in it."""

    text: str
    avg_logprob: float
    no_speech_prob: float
    speech_s: float


def is_invented(found: Evidence, phrases: frozenset[str] = PHRASES) -> bool:
    """Whether a segment was invented."""
    is_silent = found.no_speech_prob > SILENT
    is_short = found.speech_s < SHORT_S
    if plain(found.text) in phrases:
        return found.avg_logprob < A_LITTLE_IMPROBABLE or found.no_speech_prob > A_LITTLE_SILENT or is_short
    return found.avg_logprob < IMPROBABLE and (is_silent or is_short)


def plain(text: str) -> str:
    """Return a text as the known phrases are written: lower case, without marks except for apostrophes in words."""
    return " ".join(_SIGNS.sub(" ", text.casefold().replace("\u2019", "'")).split())
