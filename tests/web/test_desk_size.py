"""The desk at size: what large or odd values do to its answers. Never measures (`bench/desk.py` does)."""

import threading
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

from aggregator.app import App
from aggregator.web.desk.aside import AT_A_TIME, Aside
from aggregator.web.desk.serving import make_plain


def test_headers_that_are_no_utf8_can_be_told_to_programs() -> None:
    etag = b'W/"\xff\xfe"'.decode("utf-8", "surrogateescape")
    told = make_plain({"etag": etag, "at": datetime(2026, 3, 4, tzinfo=UTC), "tags": ("é", None)})
    assert told == {"etag": 'W/"??"', "at": "2026-03-04T00:00:00Z", "tags": ["é", None]}


def test_what_is_counted_leaves_connections_for_the_pages() -> None:
    began, goes_on = threading.Semaphore(0), threading.Event()

    def count(_: App, number: int) -> int:
        began.release()
        assert goes_on.wait(10)
        return number

    aside: Aside[int] = Aside(count, seconds=60)
    app = cast("App", SimpleNamespace(db=threading.Event()))  # whatever can be a key
    assert [aside.get(app, number, patience=0) for number in range(20)] == [None] * 20
    assert [began.acquire(timeout=10) for _ in range(AT_A_TIME)] == [True] * AT_A_TIME
    assert not began.acquire(timeout=0.02)
    goes_on.set()
    assert [aside.get(app, number, patience=10) for number in range(20)] == list(range(20))
