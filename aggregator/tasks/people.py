"""People as the editor handles them: lists that come in, one person shown or forgotten, what is old. Never mails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aggregator.app import App
from aggregator.errors import UsageError
from aggregator.model.newsletter import Newsletter
from aggregator.model.person import Candidate, Person, Standing
from aggregator.model.subscriber import Subscription
from aggregator.storage import fetchlog, imports, meta, pruning
from aggregator.storage.imports import Connection
from aggregator.storage.subscribers import hash_address
from aggregator.tasks.issues import find_newsletter
from aggregator.tasks.people_csv import ListedPerson, PassedOver, Reading, read_people, read_wishes
from aggregator.tasks.subscribe import clean_email

#: Lines that are looked up and stored in one statement.
CHUNK = 500
#: And so many in one transaction: two or three seconds.
TRANSACTION = 20_000
#: The day on which the daemon last looked for what is old.
_PRUNED_ON = "people_pruned_on"
#: Of a list's own evidence of consent, so much is kept.
_MAX_CONSENT = 500

#: Of those who are not new.
WHY: dict[Standing, str] = {
    "known": "subscribes already",
    "left": "has left, and must ask again themselves",
    "suppressed": "is on the list of addresses that get no mail: `aggregator subscribers allow` says why",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """What became of a list."""

    added: int
    #: By line.
    passed_over: tuple[PassedOver, ...]

    def count(self, outcome: str) -> int:
        """Lines of which that became."""
        return sum(one.outcome == outcome for one in self.passed_over)


def import_people(
    app: App,
    reading: Reading,
    *,
    file: str,
    dry_run: bool = False,
    on_progress: Callable[[int], None] = lambda _: None,
    then: Callable[[Connection, int], object] = lambda conn, added: None,
) -> ImportReport:
    """Subscribe the people of a list, confirmed, in one transaction: when it breaks off, nobody is in.

    Beyond `TRANSACTION` lines in several, so that nobody waits for the database too long: begun again, a list goes on
    where it broke off. ``dry_run``: nobody, but the report is the same. ``on_progress`` hears how many lines are done;
    ``then`` is called at the end of each transaction with how many were added by it.
    """
    people, doubles = _drop_doubles(reading.people)
    passed_over = [*reading.passed_over, *doubles]
    added = 0
    now = app.now()
    for start in range(0, len(people), TRANSACTION):
        some = people[start : start + TRANSACTION]
        before = added
        with app.db.read() if dry_run else app.db.write() as conn:
            for place in range(0, len(some), CHUNK):
                chunk = some[place : place + CHUNK]
                missed = _import_chunk(conn, chunk, file, now, dry_run=dry_run)
                added += len(chunk) - len(missed)
                passed_over += missed
                on_progress(start + place + len(chunk))
            if not dry_run and added > before:
                then(conn, added - before)
    return ImportReport(added=added, passed_over=tuple(sorted(passed_over, key=lambda one: one.line)))


def _import_chunk(
    conn: Connection, people: Sequence[ListedPerson], file: str, now: datetime, *, dry_run: bool
) -> list[PassedOver]:
    candidates = [_make_candidate(one, file, now) for one in people]
    standings = imports.find_standings(conn, candidates)
    if not dry_run:
        new = [one for one, standing in zip(candidates, standings, strict=True) if standing == "new"]
        imports.add_new(conn, new, now=now)
    return [
        PassedOver(line=one.line, email=one.email, outcome=standing, reason=WHY[standing])
        for one, standing in zip(people, standings, strict=True)
        if standing != "new"
    ]


def add_person(
    app: App,
    email: str,
    newsletter: Newsletter,
    *,
    language: str = "",
    topics: str = "",
    how: str = "by command",
    then: Callable[[Connection, Candidate], object] = lambda conn, person: None,
) -> Standing:
    """Subscribe one person, confirmed; what they were before. Raises `UsageError` for no address, or a wrong wish.

    ``how``: for the evidence of consent; ``then`` is called in the transaction that adds them.
    """
    missed: dict[str, None] = {}
    language, wanted = read_wishes(newsletter, language, topics, missed)
    if missed:
        raise UsageError(f"{newsletter.slug} does not offer {', '.join(missed)}")
    now = app.now()
    consent = f"added {how} on {now.astimezone(UTC):%Y-%m-%d}"
    candidate = Candidate(
        email=clean_email(email), newsletter=newsletter.slug, language=language, topics=wanted, consent=consent
    )
    with app.db.write() as conn:
        (standing,) = imports.find_standings(conn, [candidate])
        if standing == "new":
            imports.add_new(conn, [candidate], now=now)
            then(conn, candidate)
    return standing


def _drop_doubles(people: Sequence[ListedPerson]) -> tuple[list[ListedPerson], list[PassedOver]]:
    first: dict[tuple[str, str], int] = {}
    kept, doubles = [], []
    for one in people:
        line = first.setdefault((hash_address(one.email), one.newsletter), one.line)
        if line == one.line:
            kept.append(one)
        else:
            reason = f"stands twice, first on line {line}"
            doubles.append(PassedOver(line=one.line, email=one.email, outcome="double", reason=reason))
    return kept, doubles


def _make_candidate(one: ListedPerson, file: str, now: datetime) -> Candidate:
    consent = f"imported from {file} line {one.line} on {now.astimezone(UTC):%Y-%m-%d}"
    if one.consent:
        consent = f"{consent}; there: {one.consent[:_MAX_CONSENT]}"
    return Candidate(
        email=one.email, newsletter=one.newsletter, language=one.language, topics=one.topics, consent=consent
    )


def describe_subscription(item: Subscription) -> dict[str, Any]:
    """One subscription for lists and exports; the public id stays inside, it opens the unsubscribe link."""
    return {
        "email": item.email,
        "newsletter": item.newsletter,
        "state": item.state,
        "language": item.language,
        "topics": list(item.topics),
        "consent": item.consent,
        "created_at": item.created_at,
        "ended_at": item.ended_at,
        "ended_reason": item.ended_reason,
    }


def describe_person(person: Person) -> dict[str, Any]:
    """Everything that is kept about somebody, for `subscribers show --json` and the person's own export."""
    suppression = person.suppression
    return {
        "email": person.email,
        "since": person.since,
        "no_mail": {"reason": suppression.reason, "since": suppression.created_at} if suppression else None,
        "subscriptions": [describe_subscription(one) for one in person.subscriptions],
        "issues": [
            {
                "newsletter": one.newsletter,
                "issue": one.issue,
                "address": one.address,
                "state": one.state,
                "reply": one.reply,
                "created_at": one.created_at,
                "changed_at": one.changed_at,
            }
            for one in person.deliveries
        ],
        "letters": [
            {
                "kind": one.kind,
                "address": one.address,
                "state": one.state,
                "newsletters": list(one.newsletters),
                "created_at": one.created_at,
                "used_at": one.used_at,
            }
            for one in person.letters
        ],
        "returned": [
            {"kind": one.kind, "status": one.status, "said": one.diagnostic, "received_at": one.received_at}
            for one in person.bounces
        ],
    }


def count_old(app: App) -> dict[str, int]:
    """What `prune_old` would take away: rows of each kind."""
    with app.db.read() as conn:
        return pruning.count_old(conn, now=app.now())


def prune_old(app: App) -> None:
    """Take away what is older than `model.retention` allows, some rows in each transaction."""
    for prune in (pruning.prune_people, fetchlog.prune):
        more = True
        while more:
            with app.db.write() as conn:
                more = prune(conn, now=app.now())


def prune_daily(app: App, *, is_stopping: Callable[[], bool]) -> None:
    """Take away what is old about people, once a day, or less when it was stopped between two transactions."""
    with app.db.read() as conn:
        more = bool(meta.get_value(conn, _PRUNED_ON) != _write_day(app.now()))
    while more:
        if is_stopping():
            return
        with app.db.write() as conn:
            more = pruning.prune_people(conn, now=app.now())
            if not more:
                meta.set_value(conn, _PRUNED_ON, _write_day(app.now()))


def _write_day(now: datetime) -> str:
    return now.astimezone(UTC).date().isoformat()


def read_list(app: App, data: bytes, newsletter: str | None, *, file: str, encoding: str = "") -> Reading:
    """A list as CSV; ``newsletter``: of lines that name none. Raises `ConfigError`: it is none; `NotFound`: no such
    newsletter."""
    known = {item.slug: item for item in app.settings.newsletters}
    only = next(iter(known), "") if len(known) == 1 else ""
    default = find_newsletter(app, newsletter).slug if newsletter else only
    return read_people(data, file=file, encoding=encoding, newsletters=known, default=default)


def describe_import(reading: Reading, report: ImportReport) -> dict[str, Any]:
    """The JSON document of a list that came in."""
    return {
        **count_outcomes(report),
        "encoding": reading.encoding,
        "ignored_columns": list(reading.ignored),
        "not_offered": list(reading.not_offered),
        "lines": [
            {"line": one.line, "email": one.email, "outcome": one.outcome, "reason": one.reason}
            for one in report.passed_over
        ],
    }


def count_outcomes(report: ImportReport) -> dict[str, int]:
    """Lines by what became of them, for people and for JSON."""
    counts = Counter[str](one.outcome for one in report.passed_over)
    names = ("known", "left", "suppressed", "double", "unconfirmed", "wrong")
    return {"added": report.added, **{name: counts[name] for name in names}}
