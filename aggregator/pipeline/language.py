"""Says which language a text is in, from the text itself and from what its feed claims. Never translates, never raises.

eldc is the detector; no other module knows that. It is compiled in with one database, mapped from disk, and imported at
the first call. `detect_mt` reads shared tables that nobody writes after `init`, so any number of threads may ask.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

#: Below this many columns of letters the feed knows better than a detector.
MIN_COLUMNS = 40
#: Below this many, even without a claim, an answer would be a guess ("AI" is Albanian to a detector).
MIN_COLUMNS_UNCLAIMED = 14
#: More than this changes no answer and only costs time.
MAX_CHARACTERS = 2_000
#: Letters are counted so many characters at a time, until there are enough.
_STRIDE = 80

_CLAIM = re.compile(r"([A-Za-z]{2,3})(?:[-_]([A-Za-z0-9]{1,8}(?:[-_][A-Za-z0-9]{1,8})*))?")
_NO_LANGUAGE = frozenset({"und", "mul", "mis", "zxx", "xx"})
#: Claims that the detector answers by another code: the claim is then the finer word for the same thing.
_SAME = {
    "bs": "hr",
    "cmn": "zh",
    "fil": "tl",
    "id": "ms",
    "in": "ms",
    "iw": "he",
    "nb": "no",
    "nn": "no",
    "sh": "hr",
    "yue": "zh",
}
_LINK = r"(?:https?://|www\.)\S{1,2000}"
_ADDRESS = re.compile(_LINK)
_ADDRESS_OR_MAILBOX = re.compile(rf"{_LINK}|[\w.+-]{{1,64}}@[\w.-]{{1,255}}")
_KANA = re.compile(r"[\u3041-\u3096\u30a1-\u30fa]")
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
_HANGUL = re.compile(r"[\uac00-\ud7a3]")
_EAST_ASIAN = re.compile(r"[\u3041-\ud7a3]")


def find_language(text: str, claimed: str) -> str:
    """The BCP 47 tag of ``text``; ``und`` when neither the text nor the claim tells.

    ``claimed`` is the feed's or entry's own word ("ja", "en_US", "zh-Hant-TW"; may be empty or nonsense). It decides
    for short texts, for texts without letters and for languages that the detector does not know; where both agree on
    the language, the claim's region is kept.
    """
    claim = _read_claim(claimed)
    primary = claim.partition("-")[0]
    sample = _drop_addresses(text[:MAX_CHARACTERS])
    found = _find_script(sample)
    if not found and _has_columns(sample, MIN_COLUMNS if primary else MIN_COLUMNS_UNCLAIMED):
        found = _detect(sample)
    if not found or found == _SAME.get(primary, primary) or (primary and not _is_known(primary)):
        return claim or found or "und"
    return found


def _drop_addresses(sample: str) -> str:
    """They are in no language. Most texts hold none, which is seen by their marks; the slow search is for mailboxes."""
    if "@" in sample:
        return _ADDRESS_OR_MAILBOX.sub(" ", sample)
    return _ADDRESS.sub(" ", sample) if "://" in sample or "www." in sample else sample


def _read_claim(claimed: str) -> str:
    """``claimed`` in the usual spelling (en-US, zh-Hant), or empty when it names no language."""
    match = _CLAIM.fullmatch(claimed.strip()[:40])
    if match is None or match[1].lower() in _NO_LANGUAGE:
        return ""
    parts = [part for part in (match[2] or "").replace("_", "-").split("-") if part]
    return "-".join((match[1].lower(), *map(_spell_subtag, parts)))


def _spell_subtag(part: str) -> str:
    """Regions in capitals, scripts with one (RFC 5646 2.1.1)."""
    if len(part) == 2:
        return part.upper()
    return part.title() if len(part) == 4 else part.lower()


def _find_script(sample: str) -> str:
    """The language that the writing alone gives away: kana is only Japanese, Hangul only Korean; else empty."""
    if sample.isascii() or _EAST_ASIAN.search(sample) is None:
        return ""
    letters = sum(map(str.isalpha, sample)) or 1
    kana, hangul = len(_KANA.findall(sample)), len(_HANGUL.findall(sample))
    if kana >= 3 and kana >= letters * 0.15 and hangul < kana:
        return "ja"
    if hangul >= 3 and hangul >= letters * 0.3:
        return "ko"
    return ""


def _has_columns(sample: str, least: int) -> bool:
    """Whether there are so many letters, ideographs as two: forty Latin letters say about as much as twenty Chinese."""
    columns = 0
    for start in range(0, len(sample), _STRIDE):
        part = sample[start : start + _STRIDE]
        columns += sum(map(str.isalpha, part)) + len(_HAN.findall(part))
        if columns >= least:
            return True
    return False


def _detect(sample: str) -> str:
    """The detector's word, or empty."""
    found = _get_detector()[0](sample.encode("utf-8", "ignore").decode("utf-8").replace("\0", " "))
    return "" if found == "und" else found


def _is_known(primary: str) -> bool:
    return _SAME.get(primary, primary) in _get_detector()[1]


@lru_cache(maxsize=1)
def _get_detector() -> tuple[Callable[[str], str], frozenset[str]]:
    import eldc

    eldc.init()
    return eldc.detect_mt, frozenset(eldc.LANGUAGES)
