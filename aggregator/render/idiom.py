"""Dates, numbers and languages in the reader's words, by CLDR (Babel). Never asks what time it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from aggregator.model.language import UNNAMED, get_primary

if TYPE_CHECKING:
    from babel import Locale


def get_own_name(language: str) -> str:
    """What a language is called by those who speak it (``日本語`` for ``ja``); empty for what has no name."""
    primary = get_primary(language)
    locale = _get_locale(primary)
    return str(locale.languages.get(primary, "")) if locale.language == primary else ""


def get_direction(language: str) -> str:
    """``ltr`` or ``rtl``; ``auto`` where that is not known: the text decides."""
    primary = get_primary(language.replace("_", "-"))
    locale = _get_locale(primary)
    return str(locale.text_direction) if locale.language == primary else "auto"


def _write_distance(idiom: Idiom, wait: timedelta) -> str:
    """``in 3 days``, ``5 minutes ago``."""
    from babel.dates import format_timedelta

    return format_timedelta(wait, threshold=1.5, add_direction=True, locale=_get_locale(idiom.language))


@dataclass(frozen=True, slots=True, kw_only=True)
class Idiom:
    """How one site, or one newsletter, says dates, numbers and the names of languages."""

    #: BCP 47.
    language: str
    #: IANA name.
    timezone: str

    def day(self, at: datetime) -> str:
        """``4 December``."""
        return self._write("MMMd", at, MMM="MMMM")

    def short_day(self, at: datetime) -> str:
        """``4 Dec``."""
        return self._write("MMMd", at)

    def full_day(self, at: datetime) -> str:
        """``4 December 2025``."""
        return self._write("yMMMd", at, MMM="MMMM")

    def weekday(self, at: datetime | int) -> str:
        """``Thursday 4 December``, ``12月4日(木)``: in brackets it stays short. Of a number ``Monday``, for 0."""
        if isinstance(at, int):
            return str(_get_locale(self.language).days["format"]["wide"][at])
        return self._write("MMMEd", at, MMM="MMMM", E="EEEE").replace(",", "")

    def month(self, at: datetime, *, alone: bool = False) -> str:
        """``December 2025``, ``2025年12月``; ``alone``, under a heading that names its year: ``December``, ``12月``."""
        if not alone:
            return self._write("yMMM", at, MMM="MMMM")
        # Not LLLL: Babel mixes up stand-alone names when one process speaks several languages.
        return self._write("MMM", at, LLL="MMMM", MMM="MMMM")

    def clock(self, at: datetime) -> str:
        """``20:39``, 24 hours in every language: these stand in columns."""
        return f"{at.astimezone(_get_zone(self.timezone)):%H:%M}"

    def moment(self, at: datetime) -> str:
        """``4 December 2025, 20:39``, ``2025年12月4日 20:39``."""
        return _join_clock(self.language, self.full_day(at), self.clock(at))

    def short_moment(self, at: datetime) -> str:
        """``4 Dec, 20:39``, ``12月4日 20:39``."""
        return _join_clock(self.language, self.short_day(at), self.clock(at))

    def iso(self, at: datetime) -> str:
        """For ``<time datetime>``: UTC, seconds."""
        return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def local_date(self, at: datetime) -> date:
        """The calendar day of ``at`` in this zone."""
        return at.astimezone(_get_zone(self.timezone)).date()

    def span(self, start: datetime, end: datetime, *, whole: bool = False) -> str:
        """The days of the half-open window [start, end): ``28 Nov – 4 Dec 2025``; ``whole``: of [start, end]."""
        from babel.dates import format_interval

        last = end if whole else max(start, end - timedelta(seconds=1))
        locale = _get_locale(self.language)
        return format_interval(self.local_date(start), self.local_date(last), "yMMMd", locale=locale)

    def number(self, count: int) -> str:
        """``1,204``."""
        from babel.numbers import format_decimal

        return format_decimal(count, locale=_get_locale(self.language))

    def listing(self, parts: Sequence[str]) -> str:
        """``A, B and C``, ``A、B、C``. When one of ``parts`` is markup, the result is, and the others are escaped."""
        from babel.lists import format_list

        marked = any(hasattr(part, "__html__") for part in parts)
        ready = [escape(part) for part in parts] if marked else list(parts)
        text = format_list(ready, locale=_get_locale(self.language))
        return Markup(text) if marked else text

    def is_foreign(self, language: str) -> bool:
        """Whether text in ``language`` (BCP 47) is to be marked on a page of this one."""
        return bool(language) and language != "und" and language.lower() != self.language.lower()

    def language_name(self, language: str) -> str:
        """``Japanese`` for ``ja``; empty for what has no name, for ``und`` and for this language itself."""
        primary = get_primary(language.replace("_", "-"))
        if primary in UNNAMED or primary == get_primary(self.language):
            return ""
        return str(_get_locale(self.language).languages.get(primary, ""))

    own_name = staticmethod(get_own_name)
    distance = _write_distance

    def _write(self, skeleton: str, at: datetime, **wider: str) -> str:
        """By the locale's own pattern for ``skeleton``, which CLDR has in short; ``wider`` lengthens fields, but for
        one in brackets, where a language wants it short."""
        from babel.dates import format_datetime

        locale = _get_locale(self.language)
        pattern = locale.datetime_skeletons[skeleton].pattern
        for short, long in wider.items():
            if long not in pattern and f"({short})" not in pattern:
                pattern = pattern.replace(short, long)
        return format_datetime(at, pattern, tzinfo=_get_zone(self.timezone), locale=locale)


def _join_clock(language: str, day: str, clock: str) -> str:
    pattern = str(_get_locale(language).datetime_formats["medium"])
    return pattern.replace("{1}", day).replace("{0}", clock)


@lru_cache(maxsize=64)
def _get_locale(language: str) -> Locale:
    """``en`` alone is taken as the world's English (4 December), not as one country's."""
    from babel import Locale, UnknownLocaleError

    parts = "en-001" if language.lower() in ("en", "") else language.replace("_", "-")
    for name in (parts, parts.partition("-")[0]):
        try:
            return Locale.parse(name, sep="-")
        except (ValueError, UnknownLocaleError):
            continue
    return Locale.parse("en_001")


@lru_cache(maxsize=64)
def _get_zone(timezone: str) -> tzinfo:
    return ZoneInfo(timezone)
