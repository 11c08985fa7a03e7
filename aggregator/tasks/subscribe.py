"""People join and leave. Never mails them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from aggregator.app import App
from aggregator.errors import ConfigError, Problem, UsageError
from aggregator.model.subscriber import NewSubscriber
from aggregator.storage import meta, subscribers
from aggregator.tokens import read_token

COLUMNS = ("email", "newsletter", "language", "topics")
#: Where `csv` puts fields beyond the header; no column can have this name.
EXCESS = "\0"
_SEPARATORS = re.compile(r"[\s,;]+")
#: The purpose in a link's signature: a token made for one purpose opens no other door.
UNSUBSCRIBE = "unsubscribe"


def add_subscribers(app: App, people: Sequence[NewSubscriber], *, consent: str) -> int:
    """Add all of them, confirmed, in one transaction; the number added. Raises `UsageError` for no address."""
    checked = [(person, clean_email(person.email)) for person in people]
    with app.db.write() as conn:
        return sum(
            subscribers.add(
                conn,
                NewSubscriber(
                    email=email, newsletter=person.newsletter, language=person.language, topics=person.topics
                ),
                consent=consent,
                now=app.now(),
            )
            for person, email in checked
        )


def clean_email(text: str) -> str:
    """The address in its normal form. Raises `UsageError`; asks no DNS."""
    from email_validator import EmailNotValidError, validate_email

    try:
        return validate_email(text.strip(), check_deliverability=False, strict=True).normalized
    except EmailNotValidError as error:
        raise UsageError(f"{text!r} is no e-mail address: {error}") from None


def read_subscribers(data: bytes, *, file: str, newsletters: Sequence[str], default: str) -> tuple[NewSubscriber, ...]:
    """The people of a CSV file; raises `ConfigError` with every wrong line at once."""
    rows = csv.DictReader(io.StringIO(_decode(data, file), newline=""), restkey=EXCESS, strict=True)
    problems: list[Problem] = []
    people: list[NewSubscriber] = []
    try:
        _check_columns(rows, file)
        for row in rows:
            found = _read_row(row, newsletters, default)
            if isinstance(found, NewSubscriber):
                people.append(found)
            else:
                problems.append(Problem(file=file, line=rows.line_num, key=found[0], message=found[1]))
    except csv.Error as error:
        problems.append(Problem(file=file, line=rows.reader.line_num, key="", message=f"is no CSV: {error}"))
    if problems:
        raise ConfigError(tuple(problems))
    return tuple(people)


def _decode(data: bytes, file: str) -> str:
    if b"\0" in data:
        message = "is binary or UTF-16, expected CSV as UTF-8 text"
        raise ConfigError((Problem(file=file, line=0, key="", message=message),))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        problems = [
            Problem(file=file, line=number, key="", message=f"is not UTF-8: {line[:80].decode('utf-8', 'replace')!r}")
            for number, line in enumerate(data.splitlines(), start=1)
            if not _is_utf8(line)
        ]
        raise ConfigError(tuple(problems)) from None


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _check_columns(rows: csv.DictReader[str], file: str) -> None:
    """Names the header's mistakes; upper case and spaces around a name do not matter."""
    names = [name.strip().lower() for name in rows.fieldnames or ()]
    problems = []
    if "email" not in names:
        shown = repr(", ".join(names)[:80]) if names else "nothing"
        message = f"found {shown}, expected a header row with the column email (and {', '.join(COLUMNS[1:])})"
        problems.append(("", message))
    else:
        unknown = [name for name in names if name not in COLUMNS]
        problems += [(name[:40], f"is no column known here, expected {', '.join(COLUMNS)}") for name in unknown]
        problems += [(name, "stands twice in the header") for name in COLUMNS if names.count(name) > 1]
    if problems:
        raise ConfigError(tuple(Problem(file=file, line=1, key=key, message=text) for key, text in problems))
    rows.fieldnames = names


def _read_row(row: Mapping[str, Any], newsletters: Sequence[str], default: str) -> NewSubscriber | tuple[str, str]:
    """The person of a line, or which column is wrong and how."""
    if EXCESS in row:
        return ("", "has more fields than the header has columns")
    cells = {name: (row.get(name) or "").strip() for name in COLUMNS}
    try:
        email = clean_email(cells["email"])
    except UsageError as error:
        return ("email", str(error))
    newsletter = cells["newsletter"] or default
    if newsletter not in newsletters:
        found = f"found {newsletter!r}" if newsletter else "found none"
        return (
            "newsletter",
            f"{found}, expected one of {', '.join(newsletters) or 'none: no newsletter is configured'}",
        )
    topics = tuple(_SEPARATORS.split(cells["topics"])) if cells["topics"] else ()
    return NewSubscriber(email=email, newsletter=newsletter, language=cells["language"], topics=topics)


def end_by_token(app: App, token: str, *, reason: str) -> None:
    """End the subscription that ``token`` was made for; unknown or spent tokens change nothing and say nothing."""
    with app.db.read() as conn:
        public_id = read_token(meta.get_identity(conn).signing_key, UNSUBSCRIBE, token)
    if public_id is not None:
        with app.db.write() as conn:
            subscribers.end(conn, public_id, reason=reason, now=app.now())
