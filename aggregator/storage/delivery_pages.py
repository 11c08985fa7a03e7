"""The ledger of an issue as the desk shows it: numbers of the whole, and the people of a state a page at a time.

`measure` and `sum_up` read every row of the issue, and belong beside a request (`web.desk.aside`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import get_args

import sqlalchemy as sa
from sqlalchemy.engine import Connection as Connection  # handed on, for what tasks say about it

from aggregator.model.ids import IssueId, SubscriberId
from aggregator.model.newsletter import Issue
from aggregator.model.subscriber import DeliveryState, get_domain
from aggregator.storage.bounces import GIVEN_UP
from aggregator.storage.deliveries import OPEN, count_states, measure_pace
from aggregator.storage.engine import find_in
from aggregator.storage.ledger import WAITING
from aggregator.storage.schema import deliveries, issues, subscriptions
from aggregator.storage.sending import count_missed

STATES: tuple[DeliveryState, ...] = get_args(DeliveryState)
#: States whose mails did not arrive, or not yet: what a server said of them is shown.
TROUBLED: tuple[DeliveryState, ...] = ("deferred", "failed", "bounced", "unknown", "suppressed")
#: So many domains are named, those of most people first.
MOST_DOMAINS = 30
#: Of so many mails at most the answers are grouped, for each state.
MOST_ANSWERS = 20_000
#: And so many groups and last answers are shown.
MOST_GROUPS, MOST_LAST = 20, 10
#: Rows that one page looks at, where it shows some of them only.
LOOKED_AT = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownDelivery:
    """One mail of an issue, to one person."""

    id: int
    subscriber_id: SubscriberId
    address: str
    state: DeliveryState
    code: int
    reply: str
    attempts: int
    next_try_at: datetime
    changed_at: datetime

    @property
    def words(self) -> str:
        """What the server said."""
        return join_words(self.code, self.reply)


def join_words(code: int, reply: str) -> str:
    """A reply with its code (RFC 5321), where there is one."""
    return f"{code} {reply}".rstrip() if code else reply


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerGroup:
    """Mails that ended alike with alike words."""

    state: DeliveryState
    #: Without what differs from mail to mail.
    words: str
    count: int
    #: The domains it is about, those of most mails first.
    domains: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an issue is."""

    states: Mapping[str, int]
    #: Mails a minute, over the last five; 0 of one that does not go out.
    pace: float
    #: When the first of those that wait is due; None: nobody waits.
    next_try_at: datetime | None

    @property
    def waiting(self) -> int:
        """How many are still to be sent."""
        return sum(self.states.get(state, 0) for state in OPEN)

    @property
    def total(self) -> int:
        """How many people it is for."""
        return sum(self.states.values())

    @property
    def minutes_left(self) -> float | None:
        """At the pace of the last five minutes; None: nobody knows."""
        return self.waiting / self.pace if self.pace and self.waiting else None


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerSum:
    """What became of an issue's mails, and why."""

    #: Domain -> state -> mails; those of most people, and how many domains there are.
    domains: Sequence[tuple[str, Mapping[str, int]]]
    domain_count: int
    answers: Sequence[AnswerGroup]
    #: While it goes out.
    last: Sequence[KnownDelivery]
    #: Subscriptions that ended since it was sent, by reason: whose mail came back, and who left by themselves.
    left: Mapping[str, int]
    #: Of one that is sent: people who should have got it and did not (`storage.sending.count_missed`).
    missed: int


def measure(conn: Connection, issue: Issue, *, now: datetime) -> Progress:
    """All rows of the issue are counted."""
    return Progress(
        states=count_states(conn, issue.id),
        pace=measure_pace(conn, issue.id, now=now) if issue.state == "sending" else 0.0,
        next_try_at=_find_next_try(conn, issue.id),
    )


def sum_up(conn: Connection, issue: Issue, *, simplify: Callable[[str], str]) -> LedgerSum:
    """All rows of the issue are read. ``simplify``: a server's words without what differs from mail to mail."""
    domains, count = _count_domains(conn, issue.id)
    return LedgerSum(
        domains=domains,
        domain_count=count,
        answers=tuple(group for state in TROUBLED for group in _group_answers(conn, issue.id, state, simplify)),
        last=_list_last(conn, issue.id) if issue.state == "sending" else (),
        left=_count_left(conn, issue.id),
        missed=count_missed(conn, issue.id) if issue.state == "sent" else 0,
    )


def _count_domains(conn: Connection, issue_id: IssueId) -> tuple[list[tuple[str, Mapping[str, int]]], int]:
    domain = sa.func.lower(sa.func.substr(deliveries.c.address, find_in(conn, deliveries.c.address, "@") + 1))
    each = (
        sa.select(domain.label("domain"), deliveries.c.state, sa.func.count().label("mails"))
        .where(deliveries.c.issue_id == issue_id)
        .group_by(domain, deliveries.c.state)
    )
    found: dict[str, dict[str, int]] = {}
    for row in conn.execute(each):
        found.setdefault(row.domain, {})[row.state] = row.mails
    largest = sorted(found.items(), key=lambda item: (-sum(item[1].values()), item[0]))
    return [(name, states) for name, states in largest[:MOST_DOMAINS]], len(found)


def _group_answers(
    conn: Connection, issue_id: IssueId, state: DeliveryState, simplify: Callable[[str], str]
) -> list[AnswerGroup]:
    query = (
        sa.select(deliveries.c.address, deliveries.c.code, deliveries.c.reply_text)
        .where(deliveries.c.issue_id == issue_id, deliveries.c.state == state)
        .limit(MOST_ANSWERS)
    )
    groups: dict[str, Counter[str]] = {}
    known: dict[str, str] = {}
    for address, code, text in conn.execute(query):
        reply = join_words(code, text)
        words = known.get(reply)
        if words is None:
            words = known[reply] = simplify(reply)
        groups.setdefault(words, Counter())[get_domain(address)] += 1
    largest = sorted(groups.items(), key=lambda item: (-item[1].total(), item[0]))
    return [
        AnswerGroup(state=state, words=words, count=domains.total(), domains=tuple(domains.most_common(5)))
        for words, domains in largest[:MOST_GROUPS]
    ]


def _list_last(conn: Connection, issue_id: IssueId) -> tuple[KnownDelivery, ...]:
    query = _select().where(deliveries.c.issue_id == issue_id, deliveries.c.reply_text != "")
    return _fetch(conn, query.order_by(deliveries.c.changed_at.desc(), deliveries.c.id.desc()).limit(MOST_LAST))


def _count_left(conn: Connection, issue_id: IssueId) -> dict[str, int]:
    query = (
        sa.select(
            sa.case((subscriptions.c.ended_reason.startswith(GIVEN_UP), "bounced"), else_="left"), sa.func.count()
        )
        .join_from(issues, subscriptions, subscriptions.c.newsletter == issues.c.newsletter)
        .where(
            issues.c.id == issue_id, subscriptions.c.state == "ended", subscriptions.c.ended_at >= issues.c.frozen_at
        )
        .group_by(sa.literal_column("1"))
    )
    return {row[0]: row[1] for row in conn.execute(query)}


def _find_next_try(conn: Connection, issue_id: IssueId) -> datetime | None:
    query = sa.select(sa.func.min(deliveries.c.next_try_at))
    waiting = query.where(deliveries.c.issue_id == issue_id, deliveries.c.state.in_(WAITING))
    return conn.execute(waiting).scalar()


def list_deliveries(
    conn: Connection,
    issue_id: IssueId,
    state: DeliveryState,
    *,
    before_id: int | None = None,
    is_meant: Callable[[KnownDelivery], bool] | None = None,
    limit: int = 50,
) -> tuple[tuple[KnownDelivery, ...], int | None]:
    """Those in a state, the latest to be tried first, and the id to go on from (None: there are no more).

    ``is_meant``: only these; at most `LOOKED_AT` rows are looked at for one page, which may hold fewer then.
    """
    query = _select().where(deliveries.c.issue_id == issue_id, deliveries.c.state == state)
    if before_id is not None:
        place = sa.select(deliveries.c.next_try_at).where(deliveries.c.id == before_id).scalar_subquery()
        query = query.where(sa.tuple_(deliveries.c.next_try_at, deliveries.c.id) < sa.tuple_(place, before_id))
    read = limit if is_meant is None else LOOKED_AT
    rows = _fetch(conn, query.order_by(deliveries.c.next_try_at.desc(), deliveries.c.id.desc()).limit(read + 1))
    some, more = rows[:read], len(rows) > read
    meant = [row for row in some if is_meant is None or is_meant(row)]
    if len(meant) > limit:
        return tuple(meant[:limit]), meant[limit - 1].id
    return tuple(meant), some[-1].id if more else None


def _select() -> sa.Select[tuple[object, ...]]:
    same = ("id", "subscriber_id", "address", "state", "code", "attempts", "next_try_at", "changed_at")
    return sa.select(*(deliveries.c[name] for name in same), deliveries.c.reply_text.label("reply"))


def _fetch(conn: Connection, query: sa.Select[tuple[object, ...]]) -> tuple[KnownDelivery, ...]:
    return tuple(KnownDelivery(**row) for row in conn.execute(query).mappings())
