"""People join and leave. Never mails them."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from aggregator.app import App
from aggregator.errors import ConfigError, Problem, UsageError
from aggregator.model.subscriber import NewSubscriber
from aggregator.storage import meta, subscribers
from aggregator.tokens import read_token

COLUMNS = ("email", "newsletter", "language", "topics")
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


def read_subscribers(text: str, *, file: str, newsletters: Sequence[str], default: str) -> tuple[NewSubscriber, ...]:
    """The people of a CSV file; raises `ConfigError` with every wrong line at once."""
    rows = csv.DictReader(io.StringIO(text))
    unknown = [name for name in rows.fieldnames or () if name not in COLUMNS]
    if "email" not in (rows.fieldnames or ()):
        raise ConfigError(
            (Problem(file=file, line=1, key="email", message="found no such column, expected a header row with email"),)
        )
    problems = [
        Problem(file=file, line=1, key=name, message=f"found an unknown column, expected {', '.join(COLUMNS)}")
        for name in unknown
    ]
    people: list[NewSubscriber] = []
    for row in rows:
        newsletter = (row.get("newsletter") or "").strip() or default
        try:
            email = clean_email(row["email"] or "")
        except UsageError as error:
            problems.append(Problem(file=file, line=rows.line_num, key="email", message=str(error)))
            continue
        if newsletter not in newsletters:
            message = f"found {newsletter!r}, expected one of {', '.join(newsletters)}"
            problems.append(Problem(file=file, line=rows.line_num, key="newsletter", message=message))
            continue
        topics = tuple((row.get("topics") or "").split())
        language = (row.get("language") or "").strip()
        people.append(NewSubscriber(email=email, newsletter=newsletter, language=language, topics=topics))
    if problems:
        raise ConfigError(tuple(problems))
    return tuple(people)


def end_by_token(app: App, token: str, *, reason: str) -> None:
    """End the subscription that ``token`` was made for; unknown or spent tokens change nothing and say nothing."""
    with app.db.write() as conn:
        key = meta.get_identity(conn).signing_key
        public_id = read_token(key, UNSUBSCRIBE, token)
        if public_id is not None:
            subscribers.end(conn, public_id, reason=reason, now=app.now())
