"""What a row of the zoo promises of its animal, and how that is looked up after a round. Never fetches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aggregator.app import App
from aggregator.model.entry import Entry
from aggregator.model.round import FeedResult
from tests.zoo.conftest import get_feed, list_stored


@dataclass(frozen=True)
class Refused:
    """The feed fails with one of these classes, is kept, and is asked again later."""

    classes: frozenset[str]


@dataclass(frozen=True)
class Stored:
    """So many entries are stored at least, ``whole``: and the validator, too; ``check`` holds for them."""

    at_least: int
    whole: bool = False
    check: Callable[[Sequence[Entry]], bool] = lambda stored: True


@dataclass(frozen=True)
class Either:
    """A failure of one of these classes, or entries: what matters is what does not happen."""

    classes: frozenset[str]


Expected = Refused | Stored | Either


def refused(*classes: str) -> Refused:
    return Refused(frozenset(classes))


def either(*classes: str) -> Either:
    return Either(frozenset(classes))


def check_animal(app: App, name: str, result: FeedResult, expected: Expected) -> None:
    """The feed is kept, and what its row promises holds."""
    feed = get_feed(app, result.url)
    assert feed.state == "active" and feed.next_due_at > app.now(), name
    if result.failed:
        assert not isinstance(expected, Stored), (name, result)
        assert result.failure_class in expected.classes, (name, result)
        assert (feed.failures, feed.etag, feed.body_hash) == (1, "", ""), name
        check_sentence(feed.failure_reason)
        return
    assert not isinstance(expected, Refused), (name, result)
    if isinstance(expected, Stored):
        stored = list_stored(app, result.url)
        assert len(stored) >= expected.at_least, (name, result)
        assert expected.check(stored), (name, stored)
        assert not expected.whole or feed.etag, name


def check_sentence(reason: str) -> None:
    """One line that an editor understands: no traceback, no class of Python's."""
    assert reason and "\n" not in reason
    assert not any(word in reason for word in ("Error", "Exception", "Traceback", "unexpected")), reason
