"""The codes of languages: each way of writing one becomes that of Whisper, as `de`. Pure.

Feeds and sites write tags (`de-AT`, `zh_Hant`), containers three letters, of which some languages have two versions
(`ger`, `deu`).
"""

from __future__ import annotations

from typing import Final

_THREE_LETTERS: Final = (
    "afr:af amh:am ara:ar asm:as aze:az bak:ba bel:be bul:bg ben:bn bod:bo tib:bo bre:br bos:bs cat:ca ces:cs cze:cs "
    "cym:cy wel:cy dan:da deu:de ger:de ell:el gre:el eng:en spa:es est:et eus:eu baq:eu fas:fa per:fa fin:fi fao:fo "
    "fra:fr fre:fr glg:gl guj:gu hau:ha haw:haw heb:he hin:hi hrv:hr hat:ht hun:hu hye:hy arm:hy ind:id isl:is ice:is "
    "ita:it jpn:ja jav:jw kat:ka geo:ka kaz:kk khm:km kan:kn kor:ko lat:la ltz:lb lin:ln lao:lo lit:lt lav:lv mlg:mg "
    "mri:mi mao:mi mkd:mk mac:mk mal:ml mon:mn mar:mr msa:ms may:ms mlt:mt mya:my bur:my nep:ne nld:nl dut:nl nno:nn "
    "nor:no oci:oc pan:pa pol:pl pus:ps por:pt ron:ro rum:ro rus:ru san:sa snd:sd sin:si slk:sk slo:sk slv:sl sna:sn "
    "som:so sqi:sq alb:sq srp:sr sun:su swe:sv swa:sw tam:ta tel:te tgk:tg tha:th tuk:tk tgl:tl tur:tr tat:tt ukr:uk "
    "urd:ur uzb:uz vie:vi yid:yi yor:yo zho:zh chi:zh yue:yue"
)
_OTHER_NAMES: Final = (
    "iw:he in:id ji:yi jv:jw nb:no nob:no mo:ro sh:sr fil:tl cmn:zh gsw:de scc:sr scr:hr"  # older codes, and dialects
)
_CODES: Final = dict(pair.split(":") for pair in f"{_THREE_LETTERS} {_OTHER_NAMES}".split())
CODES: Final = frozenset(_CODES.values())


def code(tag: str) -> str | None:
    """Return the code of the language of a tag, as `de` for `de-AT` or `ger`; None for any other text."""
    name = tag.strip().lower().replace("_", "-").partition("-")[0]
    return name if name in CODES else _CODES.get(name)
