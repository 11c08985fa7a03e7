"""Subscribers as the desk changes them: each change with its line in the log, which never holds an address: it outlives
the person. Never mails.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

from aggregator.app import App
from aggregator.errors import NotFound, UsageError
from aggregator.model.account import Change
from aggregator.model.newsletter import Newsletter
from aggregator.model.person import Candidate, Forgotten, Person
from aggregator.model.subscriber import Subscription, SubscriptionState, Wishes
from aggregator.storage import audit, people, people_pages, subscribers
from aggregator.storage.audit import Connection
from aggregator.storage.people_pages import PeopleSum
from aggregator.tasks.desk.undone import record_undo
from aggregator.tasks.people import WHY, ImportReport, add_person, import_people
from aggregator.tasks.people_csv import EXPORTED, Reading, make_row
from aggregator.tasks.subscribe import choose_wishes

#: Why a subscription ended that the desk ended.
REMOVED = "removed at the desk"
#: Rows of an export that are read at one time.
_EXPORTED_AT_ONCE = 1_000


def sum_up(app: App) -> PeopleSum:
    """All subscriptions in numbers. Reads all of them: for beside a request."""
    with app.db.read() as conn:
        return people_pages.sum_up(conn, now=app.now())


def get_address(app: App, subscriber_id: int) -> str:
    """Raises `NotFound`."""
    with app.db.read() as conn:
        found = people_pages.get_address(conn, subscriber_id)
    if found is None:
        raise NotFound(f"no subscriber {subscriber_id}")
    return found


def find_person(app: App, subscriber_id: int, *, with_mails: bool = True) -> Person:
    """All that is kept about somebody. Raises `NotFound`."""
    email = get_address(app, subscriber_id)
    with app.db.read() as conn:
        found = people.find_person(conn, email, with_mails=with_mails)
    if found is None:
        raise NotFound(f"no subscriber {subscriber_id}")
    return found


def _record(app: App, conn: Connection, who: str, action: str, subscriber_id: int, **stood: Any) -> int:
    """By number alone: who is forgotten later is to leave no trace here either."""
    subject = f"subscriber:{subscriber_id}"
    return audit.record(
        conn, who=who, action=action, subject=subject, title=f"no. {subscriber_id}", now=app.now(), **stood
    )


def add(
    app: App, email: str, newsletter: Newsletter, *, language: str, topics: str, evidence: str, who: str
) -> tuple[int, int]:
    """Subscribe somebody, confirmed; the editor answers for the consent, and says how it was given. Their number, and
    the line. Raises `UsageError`: no address, a wish that is not offered, or somebody who may not be added."""
    found: list[tuple[int, int]] = []

    def note(conn: Connection, person: Candidate) -> None:
        number = subscribers.find_person(conn, person.email)
        assert number is not None
        after = {"newsletter": person.newsletter}
        found.append((number, _record(app, conn, who, "subscriber.add", number, after=after)))

    how = f"at the desk by {who}" + (f" ({evidence})" if evidence else "")
    standing = add_person(app, email, newsletter, language=language, topics=topics, how=how, then=note)
    if standing != "new":
        raise UsageError(f"{email} {WHY[standing]}")
    return found[0]


def remove(app: App, subscriber_id: int, newsletter: str, *, who: str) -> int:
    """End the subscription to one newsletter, or (empty) to all. Raises `UsageError`: there is none to end."""
    email = get_address(app, subscriber_id)
    with app.db.write() as conn:
        ties = subscribers.list_subscriptions(conn, newsletter or None, subscriber_id=subscriber_id)
        open_ties = [tie for tie in ties if tie.state != "ended"]
        if not open_ties:
            raise UsageError("there is no subscription that could be ended")
        subscribers.remove(conn, email, newsletter=newsletter or None, reason=REMOVED, now=app.now())
        before = {"subscriptions": [tie.id for tie in open_ties], "newsletters": [tie.newsletter for tie in open_ties]}
        return _record(app, conn, who, "subscriber.remove", subscriber_id, before=before, after={"reason": REMOVED})


def undo_remove(app: App, change: Change, *, who: str) -> int:
    """They subscribe again, if nobody has done anything with it since."""
    with app.db.write() as conn:
        again = subscribers.revive(conn, change.before["subscriptions"], reason=REMOVED)
        if not again:
            raise UsageError("there is no subscription any more that was ended by this")
        return record_undo(app, conn, change, who=who, after={"subscriptions": again})


def set_wishes(
    app: App, subscriber_id: int, newsletter: Newsletter, language: str, topics: Sequence[str], *, who: str
) -> int:
    """What they want of a newsletter from now on. Raises `UsageError`: it is not offered, or they do not subscribe."""
    wishes = choose_wishes(newsletter, language, topics)
    missed = set(topics) - set(wishes.topics)
    if missed or language not in ("", newsletter.language, *newsletter.languages):
        raise UsageError(f"{newsletter.slug} does not offer {', '.join(sorted(missed)) or language}")
    with app.db.write() as conn:
        tie = _find_tie(conn, subscriber_id, newsletter.slug)
        before, after = _describe_wishes(tie), {"newsletter": newsletter.slug, **_pack(wishes)}
        subscribers.set_wishes(conn, tie.id, wishes)
        return _record(app, conn, who, "subscriber.wishes", subscriber_id, before=before, after=after)


def undo_wishes(app: App, change: Change, *, who: str) -> int:
    """What they wanted before, if that has not been changed since."""
    number = change.number
    before, after = change.before, change.after
    with app.db.write() as conn:
        tie = _find_tie(conn, number, after["newsletter"])
        if _describe_wishes(tie) != after:
            raise UsageError("the wishes were changed again since")
        subscribers.set_wishes(conn, tie.id, Wishes(language=before["language"], topics=tuple(before["topics"])))
        return record_undo(app, conn, change, who=who, before=after, after=before)


def _find_tie(conn: Connection, subscriber_id: int, newsletter: str) -> Subscription:
    ties = subscribers.list_subscriptions(conn, newsletter, subscriber_id=subscriber_id)
    if not ties or ties[0].state == "ended":
        raise UsageError(f"there is no subscription to {newsletter}")
    return ties[0]


def _describe_wishes(tie: Subscription) -> dict[str, Any]:
    return {"newsletter": tie.newsletter, **_pack(Wishes(language=tie.language, topics=tie.topics))}


def _pack(wishes: Wishes) -> dict[str, Any]:
    return {"language": wishes.language, "topics": list(wishes.topics)}


def allow(app: App, subscriber_id: int, *, revive: bool, who: str) -> int:
    """Take the address off the list of those that get no mail. Raises `UsageError`: it is not there."""
    email = get_address(app, subscriber_id)
    with app.db.write() as conn:
        found = people.get_suppression(conn, email)
        if found is None:
            raise UsageError("the address is not on the list of those that get no mail")
        count = people.allow(conn, email, revive=revive)
        before, after = {"reason": found.reason}, {"subscriptions": count}
        return _record(app, conn, who, "subscriber.allow", subscriber_id, before=before, after=after)


def forget(app: App, subscriber_id: int, typed: str, *, who: str) -> tuple[Forgotten, int]:
    """Erase a person. Raises `UsageError`: what was typed is not the address."""
    email = get_address(app, subscriber_id)
    if subscribers.hash_address(typed) != subscribers.hash_address(email):
        raise UsageError("this is not the address")
    with app.db.write() as conn:
        gone = people.forget(conn, email, now=app.now())
        if gone is None:
            raise NotFound(f"no subscriber {subscriber_id}")
        after = {
            "subscriptions": gone.subscriptions,
            "deliveries": gone.deliveries,
            "letters": gone.letters,
            "bounces": gone.bounces,
        }
        return gone, _record(app, conn, who, "subscriber.forget", subscriber_id, after=after)


def try_list(app: App, reading: Reading) -> ImportReport:
    """What `import_list` would do."""
    return import_people(app, reading, file="", dry_run=True)


def import_list(app: App, reading: Reading, origin: str, *, who: str) -> tuple[ImportReport, int | None]:
    """Subscribe everybody in it, confirmed; ``origin`` is recorded as the evidence. The last line (None: nobody was
    added): one for each transaction."""
    lines: list[int] = []

    def note(conn: Connection, added: int) -> None:
        lines.append(
            audit.record(
                conn,
                who=who,
                action="subscriber.import",
                subject="subscribers",
                title=origin,
                after={"added": added},
                now=app.now(),
            )
        )

    report = import_people(app, reading, file=f"{origin} (at the desk by {who})", then=note)
    return report, lines[-1] if lines else None


def iter_export(app: App, newsletter: str, state: SubscriptionState | None) -> Iterator[bytes]:
    """All subscriptions as CSV, newest first, some at a time: none is kept in memory, no transaction lasts long."""
    yield _write_csv([EXPORTED])
    before: int | None = None
    while True:
        some = _read_some(app, newsletter, state, before)
        if some:
            yield _write_csv([make_row(item) for item in some])
        if len(some) < _EXPORTED_AT_ONCE:
            return
        before = some[-1].id


def _read_some(
    app: App, newsletter: str, state: SubscriptionState | None, before: int | None
) -> tuple[Subscription, ...]:
    with app.db.read() as conn:
        return people_pages.list_page(
            conn, newsletter=newsletter, state=state, before_id=before, limit=_EXPORTED_AT_ONCE
        )


def _write_csv(rows: list[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()
