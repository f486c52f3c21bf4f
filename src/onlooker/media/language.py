"""Language codes as files write them → BCP 47 tags."""

from __future__ import annotations

import re

_CODES = (
    "eng:en deu:de ger:de fra:fr fre:fr spa:es ita:it por:pt nld:nl dut:nl swe:sv nor:no "
    "nob:nb nno:nn dan:da fin:fi isl:is ice:is pol:pl ces:cs cze:cs slk:sk slo:sk slv:sl "
    "hrv:hr srp:sr bos:bs bul:bg mkd:mk mac:mk ron:ro rum:ro hun:hu ell:el gre:el tur:tr "
    "rus:ru ukr:uk bel:be lit:lt lav:lv est:et gle:ga cym:cy wel:cy eus:eu baq:eu cat:ca "
    "glg:gl sqi:sq alb:sq lat:la ara:ar heb:he fas:fa per:fa hin:hi ben:bn tam:ta tel:te "
    "urd:ur zho:zh chi:zh jpn:ja kor:ko vie:vi tha:th ind:id msa:ms may:ms epo:eo"
)
_TWO_LETTERS = dict(pair.split(":") for pair in _CODES.split())
"""ISO 639-2 (both forms) → ISO 639-1, for the languages that files of lectures come in; another
three-letter code is a valid BCP 47 tag as it stands."""

_TAG = re.compile(r"[a-zA-Z]{2,3}(-[a-zA-Z0-9]{2,8})*")

_UNKNOWN = frozenset({"und", "mul", "zxx", "mis", "unk", "none"})


def language_tag(code: str) -> str:
    """Return the BCP 47 tag of a code, empty where it is none or says "unknown".

    Example:
        >>> language_tag("ger"), language_tag("pt_BR"), language_tag("und"), language_tag("forced")
        ('de', 'pt-BR', '', '')
    """
    code = code.strip().replace("_", "-")
    if not _TAG.fullmatch(code):
        return ""
    first, _, rest = code.partition("-")
    first = first.lower()
    if first in _UNKNOWN:
        return ""
    first = _TWO_LETTERS.get(first, first)
    if not rest:
        return first
    parts = []
    for part in rest.split("-"):
        if len(part) == 2 and part.isalpha():
            parts.append(part.upper())  # a region
        elif len(part) == 4 and part.isalpha():
            parts.append(part.title())  # a script
        else:
            parts.append(part)
    return "-".join((first, *parts))
