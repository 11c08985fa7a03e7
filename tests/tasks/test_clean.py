"""Stored entries are cleaned anew when the policy has changed: once each, to the end, whatever stops it."""

from __future__ import annotations

import sqlalchemy as sa

from aggregator.app import App
from aggregator.model.ids import EntryId
from aggregator.storage import cleaning, entries, feeds, meta
from aggregator.storage.entries import EntryQuery
from aggregator.storage.schema import contents
from aggregator.storage.schema import entries as table
from aggregator.tasks.clean import CHUNK, clean_some, clean_stored, is_cleaning, plan_cleaning
from aggregator.tasks.due import defer_due, get_tasks
from aggregator.tasks.enrich import enrich_entry
from aggregator.tasks.tag import tag_waiting
from tests.fixtures.program import Program

POST = """---
title: Post {number} &amp;amp; more
date: 2026-03-0{day} 09:00:00
---

The first sentence of post {number} says what it is about. The second one says more about it than the first.

A second paragraph goes on for a while, so that there is an article of which an excerpt can be taken at all.
"""


def store(program: Program, count: int) -> None:
    folder = program.folder / "posts"
    folder.mkdir()
    for number in range(count):
        text = POST.format(number=number, day=number % 9 + 1)
        (folder / f"post-{number}.md").write_text(text, encoding="utf-8")
    program.configure(feeds=[{"folder": "posts"}])
    program.json("fetch", "--all")


def make_old(app: App) -> None:
    """As if all had been stored by the first policy, which left another text."""
    with app.db.write() as conn:
        conn.execute(sa.update(contents).values(policy_version=1, content_html="<p>old</p>"))
        conn.execute(sa.update(table).values(title="old", excerpt="old", reading_minutes=99))
        meta.set_value(conn, "policy of cleaning", {"policy": 1, "below": 0})


def read_shown(app: App) -> list[tuple[str, str, int, str]]:
    with app.db.read() as conn:
        found = entries.list_entries(conn, EntryQuery())
        html = entries.get_content_html(conn, [entry.id for entry in found])
    return sorted((entry.title, entry.excerpt, entry.reading_minutes, html[entry.id]) for entry in found)


def test_what_an_older_policy_cleaned_is_cleaned_anew_and_tagged_after(program: Program) -> None:
    store(program, 3)
    with program.app() as app:
        before = read_shown(app)
        make_old(app)
        with app.db.read() as conn:
            stamps = conn.execute(sa.select(table.c.changed_at, table.c.content_hash, table.c.edits)).all()

        assert plan_cleaning(app) == 3
        clean_stored(app, pause=lambda _: False)

        assert read_shown(app) == before
        assert not is_cleaning(app)
        assert plan_cleaning(app) == 0
        assert tag_waiting(app) == 3
        with app.db.read() as conn:  # nobody said anything anew
            assert conn.execute(sa.select(table.c.changed_at, table.c.content_hash, table.c.edits)).all() == stamps


def test_an_installation_of_todays_policy_cleans_nothing(program: Program) -> None:
    store(program, 2)
    with program.app() as app:
        assert plan_cleaning(app) == 0
        assert not is_cleaning(app)
        assert clean_some(app).read == 0


def test_a_stop_between_chunks_costs_nothing_and_the_next_start_goes_on(program: Program) -> None:
    store(program, CHUNK + 5)
    with program.app() as app:
        make_old(app)
        plan_cleaning(app)
        clean_some(app)
    with program.app() as app:
        assert plan_cleaning(app) == 5
        done = clean_some(app)
        assert (done.read, done.changed) == (5, 5)
        assert not is_cleaning(app)
        assert not any("old" in shown[:2] for shown in read_shown(app))


def test_an_entry_that_was_edited_meanwhile_keeps_its_edit(program: Program) -> None:
    store(program, 1)
    with program.app() as app:
        make_old(app)
        plan_cleaning(app)
        with app.db.read() as conn:
            (stale,) = cleaning.list_stale(conn, cleaning.get_cleaned_by(conn), 10)
        with app.db.write() as conn:
            conn.execute(sa.update(table).values(content_hash="edited", title="Edited"))
        with app.db.write() as conn:
            feed = feeds.get_feeds(conn, [stale.feed_id])[stale.feed_id]
            made = enrich_entry(stale.item, feed=feed, document=None)
            assert cleaning.save_cleaned(conn, {EntryId(stale.id): made}, now=app.now()) == 0
        assert [shown[0] for shown in read_shown(app)] == ["Edited"]


def test_the_daemon_queues_it_as_long_as_entries_are_left(program: Program) -> None:
    store(program, 1)
    with program.app() as app:
        make_old(app)
        plan_cleaning(app)
        defer_due(app)
        assert not app.queue.defer("clean", key="clean")  # it waits already
        get_tasks(app, pause=lambda _: False)["clean"]()
        assert not is_cleaning(app)


def test_the_command_cleans_with_progress_and_says_what_it_did(program: Program) -> None:
    store(program, 2)
    with program.app() as app:
        make_old(app)

    assert program.json("entries", "refresh") == {"entries": 2, "changed": 2}
    assert program.json("entries", "refresh") == {"entries": 0, "changed": 0}
