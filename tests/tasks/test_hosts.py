"""Hosts that ask for patience, our own network, restarts, and faults that cost one feed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from aggregator.app import App
from aggregator.model.round import FeedResult
from aggregator.pipeline.compare import compare_entries
from aggregator.pipeline.identify import identify_entries
from aggregator.storage import feeds, fetchlog, hosts
from aggregator.storage.schema import hosts as hosts_table
from aggregator.tasks.outcome import make_outcome
from aggregator.tasks.refresh import prune_traces, refresh_due, refresh_feeds
from aggregator.tasks.startup import spread_overdue
from tests.tasks.world import (
    DAY,
    FEED,
    HOUR,
    NOW,
    A,
    B,
    C,
    Desk,
    fail,
    give,
    write_rss,
)


def test_retry_after_holds_for_every_feed_of_the_host_and_for_no_other(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(A, B, C)
    desk.world.answers = {A: give(FEED), B: give(FEED), C: give(FEED)}
    desk.fetch_after(timedelta(0))
    desk.world.answers[A] = fail("http", 429, retry_after=5 * HOUR)
    desk.fetch_after(DAY)
    frozen_at = desk.world.now

    assert desk.get(A).next_due_at >= frozen_at + 5 * HOUR
    assert desk.get(B).next_due_at >= frozen_at + 5 * HOUR
    assert "5 h" in desk.get(B).next_due_reason
    assert desk.get(C).next_due_at < frozen_at + 5 * HOUR


def test_a_host_that_asked_for_a_pause_is_not_asked_by_command_either(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(A, B, C)
    desk.world.answers = {A: give(FEED), B: give(FEED), C: give(FEED)}
    desk.fetch_after(timedelta(0))
    desk.world.answers[A] = fail("http", 429, retry_after=5 * HOUR)
    desk.fetch_after(DAY)
    desk.world.asked.clear()
    heard: list[FeedResult] = []
    done = refresh_feeds(desk.app, [feed.id for feed in desk.list_feeds()], on_result=heard.append)

    assert desk.world.asked == [C]
    assert (done.postponed, done.ok, len(heard)) == (2, 1, 3)


def test_when_nobody_answers_it_is_our_own_network_and_no_feed_is_blamed(open_desk: Callable[..., Desk]) -> None:
    urls = [f"https://host{number}.example.org/feed" for number in range(30)]
    desk = open_desk(*urls)
    desk.world.default = give(FEED)
    desk.fetch_after(timedelta(0))
    desk.world.default = fail("dns")
    desk.world.asked.clear()
    desk.fetch_after(2 * DAY)
    while_down = desk.list_feeds()
    with desk.app.db.read() as conn:
        lines = [fetchlog.list_lines(conn, feed.id, limit=10) for feed in while_down]
    asked_while_down = len(desk.world.asked)
    desk.fetch_after(timedelta(minutes=11))
    probes = len(desk.world.asked) - asked_while_down
    desk.world.default = give(FEED)
    desk.fetch_after(timedelta(minutes=11))
    desk.fetch_after(timedelta(minutes=11))

    assert {feed.failures for feed in while_down} == {0}
    assert {feed.failure_class for feed in while_down} == {""}
    assert {(len(said), said[0].failure_class) for said in lines} == {(2, "dns")}
    assert all("our own network" in said[0].next_due_reason for said in lines)
    assert any("our own network" in feed.next_due_reason for feed in while_down)
    assert 0 < probes <= 10
    assert all(feed.last_fetched_at and feed.last_fetched_at > NOW + DAY for feed in desk.list_feeds())


def test_one_dead_host_among_many_is_no_outage(open_desk: Callable[..., Desk]) -> None:
    urls = [f"https://host{number}.example.org/feed" for number in range(10)]
    desk = open_desk(*urls, A)
    desk.world.default = give(FEED)
    desk.world.answers[A] = fail("dns")
    desk.fetch_after(timedelta(0))

    assert desk.get(A).failures == 1
    assert desk.get(A).failure_class == "dns"


def test_after_a_restart_what_is_overdue_is_asked_in_turn_and_the_rest_keeps_its_time(
    open_desk: Callable[..., Desk],
) -> None:
    urls = [f"https://host{number % 4}.example.org/{number}" for number in range(120)]
    desk = open_desk(*urls, C)
    desk.world.default = give(FEED)
    desk.world.answers[C] = give(FEED, fresh_for=20 * HOUR)
    desk.fetch_after(timedelta(0))
    due_before = desk.get(C).next_due_at
    desk.world.asked.clear()
    desk.pass_time(10 * HOUR)
    spread_overdue(desk.app)
    refresh_due(desk.app)
    at_once = list(desk.world.asked)
    desk.fetch_after(timedelta(minutes=1))
    after_a_minute = len(desk.world.asked)
    desk.fetch_after(timedelta(minutes=29))

    assert sorted({url.split("/")[2] for url in at_once}) == [f"host{number}.example.org" for number in range(4)]
    assert len(at_once) == 4
    assert 30 < after_a_minute < 90
    assert sorted(set(desk.world.asked)) == sorted(urls)
    assert desk.get(C).next_due_at == due_before


def test_a_feed_on_which_a_decision_stumbles_costs_itself_only(
    open_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = open_desk(A, B, C)
    desk.world.default = give(FEED)
    compare = compare_entries

    def stumble(found: Any, known: Any) -> Any:
        if any(entry.parsed.title == "Odd" for entry in found):
            raise OverflowError("a fault of ours")
        return compare(found, known)

    monkeypatch.setattr("aggregator.tasks.saving.compare_entries", stumble)
    desk.world.answers[B] = give(write_rss(("9", "Odd")))
    desk.fetch_after(timedelta(0))

    assert (desk.get(A).failures, desk.get(C).failures) == (0, 0)
    assert desk.get(A).last_fetched_at == desk.get(C).last_fetched_at == NOW
    assert (desk.get(B).failures, desk.get(B).failure_class) == (1, "not_saved")
    assert "OverflowError" in desk.get(B).failure_reason
    assert desk.get(B).next_due_at > NOW


def test_a_document_on_which_reading_stumbles_costs_its_feed_only(
    open_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = open_desk(A, B, C)
    desk.world.default = give(FEED)
    desk.world.answers[B] = give(write_rss(("9", "Odd")))
    identify = identify_entries

    def stumble(document: Any) -> Any:
        if document.entries[0].title == "Odd":
            raise RecursionError("a fault of ours")
        return identify(document)

    monkeypatch.setattr("aggregator.tasks.reading.identify_entries", stumble)
    desk.fetch_after(timedelta(0))

    assert desk.get(A).last_fetched_at == desk.get(C).last_fetched_at == NOW
    assert (desk.get(B).failures, desk.get(B).failure_class) == (1, "not_saved")
    assert desk.get(B).next_due_at > NOW


def test_a_feed_of_which_nothing_can_be_written_is_not_asked_again_at_once(
    open_desk: Callable[..., Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = open_desk(A, B)
    desk.world.default = give(FEED)
    judge = make_outcome

    def stumble(app: App, read: Any, result: Any, around: Any) -> Any:
        if read.feed.spec.url == B:
            raise ValueError("a fault of ours")
        return judge(app, read, result, around)

    monkeypatch.setattr("aggregator.tasks.saving.make_outcome", stumble)
    desk.fetch_after(timedelta(0))
    desk.fetch_after(timedelta(minutes=20))

    assert desk.get(A).last_fetched_at == NOW
    assert desk.world.asked.count(B) == 1


def test_the_log_names_the_next_check_that_a_frozen_host_brings(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(A)
    desk.world.answers[A] = give(FEED)
    with desk.app.db.write() as conn:
        hosts.freeze(conn, "a.example.org", NOW + 5 * DAY, "a.example.org asks for 5 d (Retry-After)")
    desk.fetch_after(timedelta(0))
    with desk.app.db.read() as conn:
        (line,) = fetchlog.list_lines(conn, desk.get(A).id, limit=10)

    assert desk.get(A).next_due_at >= NOW + 5 * DAY
    assert (line.next_due_at, line.next_due_reason) == (desk.get(A).next_due_at, desk.get(A).next_due_reason)


def test_probes_of_a_few_hosts_that_do_not_answer_blame_no_feed(open_desk: Callable[..., Desk]) -> None:
    many = [f"https://host{number}.example.org/feed" for number in range(30)]
    few = [f"https://a.example.org/{number}" for number in range(12)]
    desk = open_desk(*many, *few)
    desk.world.default = give(FEED)
    desk.fetch_after(timedelta(0))
    desk.world.default = fail("dns")
    desk.fetch_after(2 * DAY)
    with desk.app.db.write() as conn:  # the feeds of one host come first
        feeds.put_off(conn, {desk.get(url).id: desk.world.now - HOUR for url in few}, reason="as the test wants")
    desk.fetch_after(timedelta(minutes=1))

    assert {feed.failures for feed in desk.list_feeds()} == {0}


def test_a_pause_that_has_long_ended_leaves_no_row(open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(A)
    desk.world.answers[A] = fail("http", 429, retry_after=5 * HOUR)
    desk.fetch_after(timedelta(0))
    for days in (6, 2):
        desk.pass_time(timedelta(days=days))
        prune_traces(desk.app)
        with desk.app.db.read() as conn:
            rows = conn.execute(sa.select(sa.func.count()).select_from(hosts_table)).scalar_one()

        assert rows == (1 if days == 6 else 0)
