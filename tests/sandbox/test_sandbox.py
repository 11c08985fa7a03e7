"""The sandbox: same answers as in process, and a document that kills its child costs nothing else."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from aggregator.errors import ParseError
from aggregator.model.feed import Fetched, FetchRequest, PageRules
from aggregator.model.ids import FeedId
from aggregator.pipeline.parse import parse_feed
from aggregator.sandbox import ParseSandbox

URL = "https://news.example.org/feed.xml"
GOOD = (
    "<?xml version='1.0'?><rss version='2.0'><channel><title>日本 \U0001f1ef\U0001f1f5</title><ttl>60</ttl>"
    "<item><guid>1</guid><title>One</title><pubDate>Tue, 24 Nov 2026 03:00:00 GMT</pubDate><category>AI</category>"
    "<enclosure url='https://e.org/a.mp3' type='audio/mpeg' length='12'/><description>&lt;p&gt;x</description></item>"
    "<item/></channel></rss>"
).encode()


def fetched(body: bytes, content_type: str = "") -> Fetched:
    request = FetchRequest(feed_id=FeedId(1), url=URL)
    return Fetched(request=request, final_url=URL, status=200, body=body, body_hash="", content_type=content_type)


@pytest.fixture(autouse=True)
def others() -> Iterator[None]:
    """Leaves out of account the children of tests that ran before in this process."""
    OTHERS.clear()
    OTHERS.update(find_children())
    yield
    OTHERS.clear()


OTHERS: set[int] = set()


def find_children() -> set[int]:
    """Children of this process that are parsers, by what they were started with."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # threads and children end as we look
            for child in (task / "children").read_text().split():
                if b"aggregator.sandbox" in Path(f"/proc/{child}/cmdline").read_bytes():
                    found.add(int(child))
    return found - OTHERS


@pytest.fixture
def sandbox() -> Iterator[ParseSandbox]:
    box = ParseSandbox(quickly=False)
    yield box
    box.close()
    assert find_children() == set()


def test_a_document_is_read_as_in_process(sandbox: ParseSandbox) -> None:
    expected = parse_feed(GOOD, content_type="text/xml", url=URL)

    assert sandbox.parse(fetched(GOOD, "text/xml")) == expected
    assert sandbox.parse(fetched(GOOD, "text/xml")) == expected
    assert len(find_children()) == 1


def test_a_recorded_feed_is_read_as_in_process(sandbox: ParseSandbox, corpus: Path) -> None:
    for file in sorted((corpus / "feeds" / "world").iterdir())[:8]:
        body = file.read_bytes()

        assert sandbox.parse(fetched(body)) == parse_feed(body, url=URL)


def test_what_is_no_feed_fails_with_its_own_class_and_the_child_lives_on(sandbox: ParseSandbox) -> None:
    with pytest.raises(ParseError, match="web page") as caught:
        sandbox.parse(fetched(b"<html><title>x</title>"))
    before = find_children()

    assert caught.value.failure_class == "web_page"
    assert sandbox.parse(fetched(GOOD)).title.startswith("日本")
    assert find_children() == before


def test_a_document_that_only_declares_itself_needs_no_child() -> None:
    before = find_children()
    with contextlib.closing(ParseSandbox()) as box:
        with pytest.raises(ParseError, match="nothing after it") as caught:
            box.parse(fetched(b'<?xml version="1.0" encoding="UTF-8"?>\n'))

        assert caught.value.failure_class == "not_a_feed"
        assert find_children() <= before


def test_a_child_that_is_killed_costs_one_document(sandbox: ParseSandbox) -> None:
    sandbox.parse(fetched(GOOD))
    (child,) = find_children()
    os.kill(child, signal.SIGSTOP)
    threading.Timer(0.2, os.kill, (child, signal.SIGKILL)).start()

    with pytest.raises(ParseError, match="died") as caught:
        sandbox.parse(fetched(GOOD))

    assert caught.value.failure_class == "too_hostile"
    assert sandbox.parse(fetched(GOOD)).entries


def test_a_child_that_died_in_its_sleep_costs_nothing(sandbox: ParseSandbox) -> None:
    sandbox.parse(fetched(GOOD))
    (child,) = find_children()
    os.kill(child, signal.SIGKILL)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)

    assert sandbox.parse(fetched(GOOD)).entries


def test_a_document_over_the_wall_time_is_given_up() -> None:
    sandbox = ParseSandbox(quickly=False, max_seconds=0.3)
    try:
        with pytest.raises(ParseError, match=r"more than 0\.3 seconds") as caught:
            sandbox.parse(fetched(nested(40_000)))
        assert caught.value.failure_class == "too_hostile"
        assert find_children() == set()
    finally:
        sandbox.close()


def nested(depth: int) -> bytes:
    """A document within all other limits whose reading time grows with the square of its depth."""
    return b"<rss><channel>" + b"<a xmlns:b='c'>" * depth + b"</channel></rss>"


def test_a_document_over_the_computing_time_is_given_up() -> None:
    sandbox = ParseSandbox(quickly=False, cpu_seconds=0)
    try:
        with pytest.raises(ParseError, match="seconds of computing"):
            sandbox.parse(fetched(nested(60_000)))
    finally:
        sandbox.close()


def test_a_document_over_the_memory_is_given_up() -> None:
    sandbox = ParseSandbox(quickly=False, memory_bytes=64 << 20)
    try:
        with pytest.raises(ParseError) as caught:
            sandbox.parse(fetched(b"<rss><channel><item><title>" + "日本".encode() * 1_600_000))
        assert caught.value.failure_class == "too_hostile"
        assert sandbox.parse(fetched(GOOD)).entries
    finally:
        sandbox.close()


def test_threads_share_the_children_and_never_their_answers(sandbox: ParseSandbox) -> None:
    bodies = [GOOD.replace(b"One", f"Title {number}".encode()) for number in range(40)]

    with ThreadPoolExecutor(8) as pool:
        feeds = list(pool.map(lambda body: sandbox.parse(fetched(body)), bodies))

    assert [feed.entries[0].title for feed in feeds] == [f"Title {number}" for number in range(40)]
    assert len(find_children()) <= 2


def test_a_hostile_neighbour_does_not_disturb_the_others() -> None:
    sandbox = ParseSandbox(quickly=False, max_seconds=1, workers=2)

    def read(body: bytes) -> str:
        try:
            return sandbox.parse(fetched(body)).entries[0].title
        except ParseError as error:
            return error.failure_class

    try:
        with ThreadPoolExecutor(2) as pool:
            results = list(pool.map(read, [GOOD, nested(60_000), GOOD, GOOD]))
    finally:
        sandbox.close()

    assert results == ["One", "too_hostile", "One", "One"]


def test_at_rest_there_is_no_child_and_work_goes_on_after_it(sandbox: ParseSandbox) -> None:
    sandbox.parse(fetched(GOOD))
    sandbox.rest()

    assert find_children() == set()
    assert sandbox.parse(fetched(GOOD)).entries


def test_without_work_the_children_end_by_themselves() -> None:
    sandbox = ParseSandbox(quickly=False, idle_seconds=0.2)
    sandbox.parse(fetched(GOOD))
    deadline = time.monotonic() + 10
    while find_children() and time.monotonic() < deadline:
        threading.Event().wait(0.02)

    assert find_children() == set()
    sandbox.close()


def test_a_child_sees_no_secret_of_the_daemon(sandbox: ParseSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGGREGATOR_SMTP_PASSWORD", "canary")
    sandbox.parse(fetched(GOOD))
    (child,) = find_children()

    assert b"canary" not in Path(f"/proc/{child}/environ").read_bytes()


def test_a_child_that_cannot_be_started_costs_one_document(
    sandbox: ParseSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("sys.executable", "/nowhere/python")
        with pytest.raises(ParseError) as caught:
            sandbox.parse(fetched(GOOD))

    assert caught.value.failure_class == "no_parser"
    assert sandbox.parse(fetched(GOOD)).entries


@pytest.mark.parametrize(
    "answer",
    [
        b"[" * 100_000,
        b"[]",
        b'{"entries": [], "rejected": [], "warnings": [], "updated_at": null, "ttl_minutes": 1e999}',
        b'{"error": 5}',
    ],
    ids=["nested", "list", "infinite", "no pair"],
)
def test_a_wrong_answer_costs_its_own_document(
    sandbox: ParseSandbox, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("aggregator.sandbox._read_message", lambda pipe: answer)
        with pytest.raises(ParseError) as caught:
            sandbox.parse(fetched(GOOD))

    assert caught.value.failure_class == "too_hostile"
    assert sandbox.parse(fetched(GOOD)).entries


def test_a_usual_document_needs_no_child_and_its_known_entries_are_not_read_again() -> None:
    box = ParseSandbox()
    try:
        first = box.parse(fetched(GOOD.replace(b"<item/>", b"")))
        again = fetched(GOOD.replace(b"<item/>", b"<item><guid>2</guid></item>"))
        second = box.parse(replace(again, request=replace(again.request, slices=first.slices)))

        assert first.slices
        assert (len(second.entries), second.skipped) == (1, 1)
        assert find_children() == set()
        assert box.parse(fetched(b"text " + GOOD)) == parse_feed(b"text " + GOOD, url=URL)
        assert len(find_children()) == 1
    finally:
        box.close()


def test_a_page_is_read_by_its_rules_in_a_child(sandbox: ParseSandbox) -> None:
    body = b"<html><body><ul><li><a href='/1'>One</a></li></ul></body></html>"
    reply = fetched(body)
    rules = PageRules(items="li", link="a", title="a")

    assert sandbox.parse(replace(reply, request=replace(reply.request, page=rules))) == parse_feed(
        body, url=URL, page=rules
    )


def test_a_document_that_is_long_at_it_keeps_no_place_from_the_next() -> None:
    """One child, two documents: the second one is read while the first is still waited for."""
    sandbox = ParseSandbox(quickly=False, workers=1)
    try:
        with sandbox._places, ThreadPoolExecutor(1) as pool:
            assert pool.submit(sandbox.parse, fetched(GOOD)).result(10).entries
    finally:
        sandbox.close()
