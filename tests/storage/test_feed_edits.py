"""What an editor does to one stored feed by hand."""

from __future__ import annotations

from datetime import timedelta

from aggregator.model.feed import FeedOutcome, FeedSpec, Move
from aggregator.storage import feed_edits, feeds, meta
from aggregator.storage.engine import Database
from tests.storage.samples import HOUR, NOW

SPEC = FeedSpec(url="https://a.example/feed")
OTHER = FeedSpec(url="https://b.example/feed")
NEW = "https://c.example/feed"


def test_a_pause_by_hand_outlives_the_configuration(db: Database) -> None:
    """A start of the daemon wakes only what it paused itself; pausing twice pauses once."""
    with db.write() as conn:
        feeds.sync_specs(conn, [SPEC], now=NOW)
        (feed,) = feeds.list_feeds(conn)
        before = meta.get_revision(conn)
        first = feed_edits.pause(conn, feed.id, "too loud\0")
        again = feed_edits.pause(conn, feed.id, "still")
        feeds.sync_specs(conn, [SPEC], now=NOW + HOUR)
        (paused,) = feeds.list_feeds(conn)
        after = meta.get_revision(conn)
        claimed = feeds.claim_due(conn, now=NOW + HOUR, limit=10, lease=HOUR)

    assert (first, again, claimed) == (True, False, ())
    assert (paused.state, paused.paused_reason) == ("paused", "too loud\ufffd")
    assert before != after


def test_a_moved_feed_forgets_its_old_server_and_keeps_its_name(db: Database) -> None:
    """Validators, failures and moves go; the due time, the bytes' hash and the address of the configuration stay."""
    with db.write() as conn:
        feeds.sync_specs(conn, [SPEC], now=NOW)
        (feed,) = feeds.list_feeds(conn)
        outcome = FeedOutcome(
            feed_id=feed.id, at=NOW, status=404, failure_class="http", failure_reason="404", etag='"1"',
            last_modified="yesterday", body_hash="abc", host_key="a.example", strikes=2, alarm="lost",
            gone_since=NOW, move=Move(url=NEW, first_seen_at=NOW, times=2), next_due_at=NOW + HOUR,
            next_due_reason="later",
        )  # fmt: skip
        feeds.save_outcomes(conn, [outcome])
        moved = feed_edits.move(conn, feed.id, NEW)
        counts = feeds.sync_specs(conn, [SPEC], now=NOW + HOUR)
        found = feeds.get_by_url(conn, SPEC.url)
        (after,) = feeds.list_feeds(conn)

    assert (moved, counts.added, counts.paused) == (True, 0, 0)
    assert found is not None
    assert (after.id, after.spec.url, found.id) == (feed.id, NEW, feed.id)
    assert (after.etag, after.last_modified, after.host_key, after.alarm) == ("", "", "", "")
    assert (after.failures, after.failure_class, after.strikes, after.gone_since, after.move) == (0, "", 0, None, None)
    assert (after.body_hash, after.next_due_at) == ("abc", NOW + HOUR)


def test_a_feed_that_moves_home_again_has_one_address(db: Database) -> None:
    """There and back is where it was."""
    with db.write() as conn:
        feeds.sync_specs(conn, [SPEC], now=NOW)
        (feed,) = feeds.list_feeds(conn)
        assert feed_edits.move(conn, feed.id, NEW)
        assert feed_edits.move(conn, feed.id, SPEC.url)
        feeds.add(conn, FeedSpec(url=NEW, origin="added"), NOW + timedelta(minutes=1))
        urls = [feed.spec.url for feed in feeds.list_feeds(conn)]

    assert urls == [SPEC.url, NEW]


def test_no_two_feeds_have_one_address(db: Database) -> None:
    """A removed feed still holds its own, because its entries stay."""
    with db.write() as conn:
        feeds.sync_specs(conn, [SPEC, OTHER], now=NOW)
        first, second = feeds.list_feeds(conn)
        feeds.remove(conn, second.id, now=NOW)
        moved = feed_edits.move(conn, first.id, OTHER.url)
        stays = feed_edits.move(conn, first.id, SPEC.url)
        (after,) = feeds.list_feeds(conn)

    assert (moved, stays, after.spec.url) == (False, True, SPEC.url)
