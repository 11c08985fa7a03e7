"""A list of people as CSV, read line by line: who is on it, and what is wrong with each other line. Never stores."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from aggregator.errors import ConfigError, Problem, UsageError
from aggregator.model.newsletter import Newsletter
from aggregator.model.subscriber import Subscription
from aggregator.tasks.subscribe import clean_email

#: What other programs call the column.
EMAIL_NAMES = ("email", "e-mail", "email address", "e-mail address", "mail", "メールアドレス")
COLUMNS = ("email", "newsletter", "language", "topics", "state", "consent")
MAX_TOPICS = 6
#: Of lines that are not text in the encoding, so many are named.
MAX_NAMED = 20
_SEPARATORS = re.compile(r"[\s,;、]+")
_TOPIC = re.compile(r"[a-z0-9]+(?:[-.][a-z0-9]+)*")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[a-z0-9]{2,8})*", re.I)
_JAPANESE = re.compile("[\u3040-\u30ff\u4e00-\u9fff]")
#: What Windows' Shift_JIS makes of bytes that are none.
_PRIVATE = re.compile("[\ue000-\uf8ff]")
#: A spreadsheet would take such a cell for a formula (CWE-1236); we write a ' before it, and take one away.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_DISPLAY_NAME = re.compile(r"[^<>]*<([^<>]+)>\s*")

Outcome = Literal["added", "known", "left", "suppressed", "double", "unconfirmed", "wrong"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedPerson:
    """A good line."""

    line: int
    email: str
    newsletter: str
    language: str
    topics: tuple[str, ...]
    #: The evidence of consent that another program gave with it.
    consent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedOver:
    """A line of which nobody was added."""

    line: int
    email: str
    outcome: Outcome
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What a file holds."""

    people: tuple[ListedPerson, ...]
    passed_over: tuple[PassedOver, ...]
    encoding: str
    #: Columns that mean nothing here.
    ignored: tuple[str, ...]
    #: Topics and languages that the newsletters do not offer.
    not_offered: tuple[str, ...]


#: What an export holds; `read_people` takes it back.
EXPORTED = ("email", "newsletter", "state", "language", "topics", "consent", "created_at", "ended_at")


def make_row(item: Subscription) -> list[str]:
    """A subscription under `EXPORTED`, harmless."""
    row = (item.email, item.newsletter, item.state, item.language, " ".join(item.topics), item.consent)
    ended = item.ended_at.isoformat() if item.ended_at else ""
    return [harmless(cell) for cell in (*row, item.created_at.isoformat(), ended)]


def harmless(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula; `read_cell` gives it back as it was."""
    return f"'{cell}" if _FORMULA.match(cell) else cell


def read_cell(cell: str) -> str:
    """What `harmless` was given."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def read_people(
    data: bytes, *, file: str, encoding: str, newsletters: Mapping[str, Newsletter], default: str
) -> Reading:
    """The people of a file. Raises `ConfigError` when it is no list at all: then nobody is added.

    ``encoding``: empty to find out (UTF-8, or Shift_JIS as Windows writes it). ``default``: the newsletter of lines
    that name none; may be empty.
    """
    text, encoding = decode(data, file, encoding)
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    people: list[ListedPerson] = []
    passed_over: list[PassedOver] = []
    missed: dict[str, None] = {}
    try:
        first = next((row for row in rows if row), [])
        names = _read_header(first, file)
        for line, row in _iter_rows(rows):
            if len(row) > len(names):
                reason = f"has {len(row)} fields, the header has {len(names)} columns"
                passed_over.append(PassedOver(line=line, email=row[0][:80], outcome="wrong", reason=reason))
                continue
            cells = {name: read_cell(cell.strip()) for name, cell in zip(names, row, strict=False)}
            found = _read_row(cells, line, newsletters, default, missed)
            if isinstance(found, ListedPerson):
                people.append(found)
            else:
                passed_over.append(found)
    except csv.Error as error:
        problem = Problem(file=file, line=rows.line_num, key="", message=f"is no CSV: {error}")
        raise ConfigError((problem,)) from None
    ignored = tuple(name for name in names if name and name not in COLUMNS)
    return Reading(
        people=tuple(people),
        passed_over=tuple(passed_over),
        encoding=encoding,
        ignored=ignored,
        not_offered=tuple(missed),
    )


def _iter_rows(rows: Iterator[list[str]]) -> Iterator[tuple[int, list[str]]]:
    """(first line, fields): a field in quotes may go over several lines. Empty lines are passed over."""
    before = rows.line_num  # type: ignore[attr-defined]
    for row in rows:
        if any(cell.strip() for cell in row):
            yield before + 1, row
        before = rows.line_num  # type: ignore[attr-defined]


def decode(data: bytes, file: str, encoding: str) -> tuple[str, str]:
    """The text and its encoding, which is found out when it is empty. Raises `ConfigError`, `UsageError`."""
    if encoding:
        try:
            return data.decode(encoding).removeprefix("\ufeff"), encoding
        except LookupError:
            raise UsageError(f"--encoding: {encoding!r} is no encoding known here") from None
        except UnicodeError as error:
            start = error.start if isinstance(error, UnicodeDecodeError) else 0
            line = data.count(b"\n", 0, start) + 1
            raise ConfigError((Problem(file=file, line=line, key="", message=f"is not {encoding}"),)) from None
    if b"\0" in data:
        message = "is binary or UTF-16, expected CSV as UTF-8 text (or say --encoding utf-16)"
        raise ConfigError((Problem(file=file, line=0, key="", message=message),))
    try:
        return data.decode("utf-8-sig"), "UTF-8"
    except UnicodeDecodeError:
        pass
    try:
        text = data.decode("cp932")
    except UnicodeDecodeError:
        text = ""
    if _JAPANESE.search(text) and not _PRIVATE.search(text):
        return text, "Shift_JIS"
    lines = enumerate(data.splitlines(), start=1)
    problems = [
        Problem(file=file, line=number, key="", message=_describe_bytes(line))
        for number, line in lines
        if not _is_utf8(line)
    ]
    raise ConfigError(tuple(problems[:MAX_NAMED]))


def _describe_bytes(line: bytes) -> str:
    return f"is not UTF-8 (say which --encoding): {line[:80].decode('utf-8', 'replace')!r}"


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _read_header(row: Sequence[str], file: str) -> list[str]:
    """Names of the columns; upper case and blanks around a name do not matter. Raises `ConfigError`."""
    names = [name.strip().lower() for name in row]
    names = ["email" if name in EMAIL_NAMES else name for name in names]
    problems = []
    if "email" not in names:
        shown = repr(", ".join(names)[:80]) if names else "nothing"
        expected = "a header row with the column email (and newsletter, language, topics), separated by commas"
        problems.append(("", f"found {shown}, expected {expected}"))
    problems += [(name, "stands twice in the header") for name in COLUMNS if names.count(name) > 1]
    if problems:
        raise ConfigError(tuple(Problem(file=file, line=1, key=key, message=text) for key, text in problems))
    return names


def _read_row(
    cells: Mapping[str, str],
    line: int,
    newsletters: Mapping[str, Newsletter],
    default: str,
    missed: dict[str, None],
) -> ListedPerson | PassedOver:
    written = cells.get("email", "")
    slug = cells.get("newsletter") or default
    try:
        email = read_address(written)
        newsletter = newsletters.get(slug)
        if newsletter is None:
            found = f"found {slug!r}" if slug else "found none"
            expected = ", ".join(newsletters) or "none: no newsletter is configured"
            raise UsageError(f"newsletter: {found}, expected one of {expected}")
        language, topics = read_wishes(newsletter, cells.get("language", ""), cells.get("topics", ""), missed)
    except UsageError as error:
        return PassedOver(line=line, email=written[:320], outcome="wrong", reason=str(error))
    state = cells.get("state", "")
    if state not in ("", "confirmed"):
        return PassedOver(line=line, email=email, outcome="unconfirmed", reason=f"its state there is {state[:40]!r}")
    return ListedPerson(
        line=line, email=email, newsletter=slug, language=language, topics=topics, consent=cells.get("consent", "")
    )


def read_address(written: str) -> str:
    """``ana@example.org``, or ``Ana <ana@example.org>``, in its normal form. Raises `UsageError`."""
    named = _DISPLAY_NAME.fullmatch(written)
    try:
        return clean_email(named[1] if named else written)
    except UsageError as error:
        raise UsageError(f"email: {error}") from None


def read_wishes(
    newsletter: Newsletter, language: str, topics: str, missed: dict[str, None]
) -> tuple[str, tuple[str, ...]]:
    """What of them the newsletter offers; the rest goes to ``missed``. Raises `UsageError` for what is neither."""
    if language and not _LANGUAGE.fullmatch(language):
        raise UsageError(f"language: found {language[:80]!r}, expected a language tag such as en, ja or zh-Hant")
    words = sorted({word.lower() for word in _SEPARATORS.split(topics) if word})
    bad = next((word for word in words if not _TOPIC.fullmatch(word)), "")
    if bad:
        raise UsageError(f"topics: found {bad[:80]!r}, expected slugs of tags such as agents or gpt-4.1")
    if len(words) > MAX_TOPICS:
        raise UsageError(f"topics: found {len(words)}, expected at most {MAX_TOPICS}")
    offered = {known.lower(): known for known in newsletter.languages}
    chosen = offered.get(language.lower()) or offered.get(language.lower().partition("-")[0]) or ""
    if language and not chosen and language.lower() != newsletter.language.lower():
        missed[f"language {language}"] = None
    missed.update((f"topic {word}", None) for word in words if word not in newsletter.topics)
    return chosen, tuple(word for word in words if word in newsletter.topics)
