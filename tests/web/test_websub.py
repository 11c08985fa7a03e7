"""A hub on 127.0.0.1 and our callback behind a real server: subscribing, verifying, news, forgeries, silence."""

from __future__ import annotations

import hashlib
import hmac
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from aggregator.app import App
from aggregator.model.hub import Hub
from aggregator.storage import feeds, hubs
from aggregator.tasks.due import defer_due
from aggregator.tasks.refresh import refresh_due
from aggregator.tasks.websub import can_be_called, leave_hubs, renew_hubs
from tests.fixtures.http_server import Answer
from tests.fixtures.program import Program
from tests.web.conftest import Door

DAY = timedelta(days=1)


@dataclass
class HubServer:
    """Accepts every subscription, and asks back when the test says so."""

    server: Any
    forms: list[dict[str, str]] = field(default_factory=list)
    status: int = 202

    def __post_init__(self) -> None:
        self.server.handle("/hub", self._take)

    def _take(self, request: Any) -> Answer:
        self.forms.append({name: values[0] for name, values in parse_qs(request.body.decode()).items()})
        return Answer(status=self.status)

    def verify(self, door: Door, **changes: str) -> Any:
        """What the callback answers when it is asked about the last form."""
        form = self.forms[-1]
        asked = {
            "hub.mode": "subscribe",
            "hub.topic": form["hub.topic"],
            "hub.challenge": "a challenge <b>",
            "hub.lease_seconds": form.get("hub.lease_seconds", ""),
            **changes,
        }
        return door.ask(f"{urlsplit(form['hub.callback']).path}?{urlencode(asked)}")

    def push(self, door: Door, body: bytes, *, secret: str = "", method: str = "sha256") -> Any:
        form = self.forms[-1]
        signature = hmac.new((secret or form["hub.secret"]).encode(), body, getattr(hashlib, method)).hexdigest()
        headers = {"X-Hub-Signature": f"{method}={signature}"}
        return door.ask(urlsplit(form["hub.callback"]).path, "POST", headers, body)


@dataclass
class Scene:
    app: App
    door: Door
    hub: HubServer
    server: Any
    clock: Any

    def publish(self, *titles: str, hub: bool = True) -> None:
        items = "".join(f"<item><guid isPermaLink='false'>{t}</guid><title>{t}</title></item>" for t in titles)
        links = f"""<atom:link rel='hub' href='{self.server.url}/hub'/>
            <atom:link rel='self' href='{self.server.url}/topic'/>"""
        body = f"""<rss version='2.0' xmlns:atom='http://www.w3.org/2005/Atom'><channel><title>T</title>
            {links if hub else ""}{items}</channel></rss>"""
        self.server.add("/feed.xml", body.encode())

    def get_hub(self) -> Hub:
        with self.app.db.read() as conn:
            (feed,) = feeds.list_feeds(conn)
            found = hubs.get_hub(conn, feed.id)
        assert found is not None
        return found

    def is_due(self) -> bool:
        with self.app.db.read() as conn:
            return feeds.has_due(conn, now=self.clock())


class Clock:
    """Stands until it is moved."""

    def __init__(self, now: Any) -> None:
        self.now = now

    def __call__(self) -> Any:
        return self.now

    def move(self, by: timedelta) -> None:
        self.now += by


@pytest.fixture
def scene(program: Program, http_server: Any, serve: Callable[[App], Door]) -> Any:
    program.configure(feeds=[{"url": f"{http_server.url}/feed.xml"}])
    with program.app() as opened:
        clock = Clock(opened.now())
    with program.app(now=clock) as app:
        made = Scene(app, serve(app), HubServer(http_server), http_server, clock)
        made.publish("one")
        refresh_due(app)
        renew_hubs(app)
        yield made


def test_a_hub_that_a_feed_names_is_asked_with_a_secret_and_a_callback_of_its_own(scene: Scene) -> None:
    (form,) = scene.hub.forms

    assert form["hub.mode"] == "subscribe"
    assert form["hub.topic"] == f"{scene.server.url}/topic"
    assert form["hub.callback"].startswith("http://news.example.org/websub/")
    assert len(form["hub.secret"]) >= 32
    assert form["hub.secret"] not in form["hub.callback"]
    assert scene.get_hub().state == "asked"


def test_the_callback_confirms_what_was_asked_and_nothing_else(scene: Scene) -> None:
    wrong_topic = scene.hub.verify(scene.door, **{"hub.topic": "http://127.0.0.1/other"})
    unsubscribe = scene.hub.verify(scene.door, **{"hub.mode": "unsubscribe"})
    unknown = scene.door.ask("/websub/nobody?hub.mode=subscribe&hub.challenge=x")
    before = scene.get_hub().state
    right = scene.hub.verify(scene.door)

    assert [wrong_topic.status, unsubscribe.status, unknown.status] == [404, 404, 404]
    assert before == "asked"
    assert (right.status, right.text) == (200, "a challenge <b>")
    assert right.headers["content-type"].startswith("text/plain")
    assert scene.get_hub().state == "live"


@pytest.mark.parametrize("method", ["sha1", "sha256", "sha384", "sha512"])
def test_signed_news_makes_the_feed_due_at_once(scene: Scene, method: str) -> None:
    scene.hub.verify(scene.door)
    scene.clock.move(timedelta(minutes=5))
    before = scene.is_due()
    answer = scene.hub.push(scene.door, b"<rss/>", method=method)

    assert not before
    assert answer.status == 202
    assert scene.is_due()


def test_forged_news_is_answered_alike_and_does_nothing(scene: Scene) -> None:
    scene.hub.verify(scene.door)
    scene.clock.move(timedelta(minutes=5))
    path = urlsplit(scene.hub.forms[0]["hub.callback"]).path
    answers = [
        scene.hub.push(scene.door, b"<rss/>", secret="another"),
        scene.door.ask(path, "POST", {}, b"<rss/>"),
        scene.door.ask(path, "POST", {"X-Hub-Signature": "md5=" + "0" * 32}, b"<rss/>"),
        scene.door.ask(path, "POST", {"X-Hub-Signature": "sha256="}, b"<rss/>"),
    ]

    assert {answer.status for answer in answers} == {202}
    assert not scene.is_due()
    assert scene.door.ask("/websub/nobody", "POST", {}, b"x").status == 404


def test_a_large_document_is_taken_and_an_endless_one_is_not(scene: Scene) -> None:
    scene.hub.verify(scene.door)
    scene.clock.move(timedelta(minutes=5))

    assert scene.hub.push(scene.door, b"x" * 3_000_000).status == 202
    assert scene.is_due()
    assert scene.hub.push(scene.door, b"x" * (10 * 1024 * 1024 + 1)).status == 413


def test_a_lease_is_renewed_before_it_ends(scene: Scene) -> None:
    scene.hub.verify(scene.door, **{"hub.lease_seconds": "864000"})
    scene.clock.move(timedelta(days=8, hours=23))
    early = renew_hubs(scene.app)
    scene.clock.move(timedelta(hours=2))

    assert (early, renew_hubs(scene.app)) == (0, 1)
    assert len(scene.hub.forms) == 2
    assert scene.get_hub().state == "live"
    assert scene.hub.verify(scene.door).status == 200


def test_a_hub_that_never_asks_back_is_asked_later_and_later(scene: Scene) -> None:
    asked_at = [scene.clock.now]
    for _ in range(200):
        scene.clock.move(timedelta(hours=1))
        if renew_hubs(scene.app):
            asked_at.append(scene.clock.now)
    waits = [(later - earlier) / timedelta(hours=1) for earlier, later in itertools.pairwise(asked_at)]

    assert waits == [1, 2, 4, 8, 16, 32, 64]


def test_a_hub_that_refuses_is_left_alone_for_a_month(scene: Scene) -> None:
    scene.hub.verify(scene.door, **{"hub.mode": "denied", "hub.reason": "no such\ntopic"})
    refused = scene.get_hub()
    scene.clock.move(timedelta(days=29))
    asked = renew_hubs(scene.app)

    assert (refused.state, refused.reason) == ("refused", "the hub refused: no such topic")
    assert asked == 0


def test_while_a_hub_is_trusted_its_feed_is_asked_once_a_day(scene: Scene) -> None:
    scene.hub.verify(scene.door)
    scene.clock.move(timedelta(hours=1))
    refresh_due(scene.app)
    with scene.app.db.read() as conn:
        (feed,) = feeds.list_feeds(conn)

    assert feed.next_due_at - scene.clock.now >= DAY
    assert "hub" in feed.next_due_reason


def test_a_hub_that_keeps_silent_about_entries_is_trusted_no_more(scene: Scene) -> None:
    scene.hub.verify(scene.door)
    states = []
    for titles in (("two",), ("three",), ("four",)):
        scene.clock.move(timedelta(days=2))
        scene.publish(*titles)
        refresh_due(scene.app)
        states.append(scene.get_hub().state)

    assert states == ["live", "live", "distrusted"] or states[:2] == ["live", "distrusted"]
    assert scene.get_hub().reason == "it kept silent about new entries"


def test_a_hub_that_a_feed_names_no_more_is_told_once_and_gets_its_answer(scene: Scene) -> None:
    scene.hub.verify(scene.door)
    (old,) = scene.hub.forms
    too_early = scene.hub.verify(scene.door, **{"hub.mode": "unsubscribe"})
    scene.publish("one", hub=False)
    scene.clock.move(DAY)
    refresh_due(scene.app)
    with scene.app.db.read() as conn:
        (feed,) = feeds.list_feeds(conn)
        left = hubs.get_hub(conn, feed.id), hubs.has_left(conn)
    told = [leave_hubs(scene.app), leave_hubs(scene.app), renew_hubs(scene.app)]
    form = scene.hub.forms[-1]
    wrong_topic = scene.hub.verify(scene.door, **{"hub.mode": "unsubscribe", "hub.topic": "http://127.0.0.1/other"})
    right = scene.hub.verify(scene.door, **{"hub.mode": "unsubscribe"})
    again = scene.hub.verify(scene.door, **{"hub.mode": "unsubscribe"})

    assert (left, told, len(scene.hub.forms)) == ((None, True), [1, 0, 0], 2)
    same = ("hub.topic", "hub.callback")
    assert form == {"hub.mode": "unsubscribe", **{name: old[name] for name in same}}
    assert [answer.status for answer in (too_early, wrong_topic, right, again)] == [404, 404, 200, 404]
    assert right.text == "a challenge <b>"


def test_a_feed_that_goes_to_another_hub_leaves_the_first(scene: Scene) -> None:
    scene.hub.verify(scene.door)
    with scene.app.db.write() as conn:
        (feed,) = feeds.list_feeds(conn)
        hubs.note(conn, feed.id, f"{scene.server.url}/hub", "http://127.0.0.1/topic2", now=scene.clock.now)
        unasked = hubs.claim_left(conn, now=scene.clock.now, limit=0)
    asked = [leave_hubs(scene.app), renew_hubs(scene.app)]
    with scene.app.db.write() as conn:
        hubs.note(conn, feed.id, f"{scene.server.url}/hub", "http://127.0.0.1/topic3", now=scene.clock.now)

    modes = [(form["hub.mode"], form["hub.topic"]) for form in scene.hub.forms[1:]]
    assert (unasked, asked) == ((), [1, 1])
    assert modes == [("unsubscribe", f"{scene.server.url}/topic"), ("subscribe", "http://127.0.0.1/topic2")]
    assert leave_hubs(scene.app) == 0  # it was never confirmed: there is nothing to end


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("https://news.example.org", True),
        ("https://8.8.8.8", True),
        ("http://localhost:8000", False),
        ("http://127.0.0.1:8000", False),
        ("http://[::1]", False),
        ("http://192.168.1.4", False),
        ("http://news.local", False),
        ("http://desk", False),
        ("http://box.home.arpa", False),
    ],
)
def test_hubs_are_asked_only_when_they_could_call_back(url: str, public: bool) -> None:
    assert can_be_called(url) is public


def test_a_hub_that_the_document_names_no_more_is_forgotten(scene: Scene) -> None:
    renew_hubs(scene.app)
    scene.hub.verify(scene.door)
    scene.server.add(
        "/feed.xml", b"<rss version='2.0'><channel><title>T</title><item><title>alone</title></item></channel></rss>"
    )
    scene.clock.move(3 * DAY)
    refresh_due(scene.app)
    with scene.app.db.read() as conn:
        (feed,) = feeds.list_feeds(conn)
        found = hubs.get_hub(conn, feed.id)
    scene.clock.move(40 * DAY)
    asked = renew_hubs(scene.app)

    assert found is None
    assert asked == 0


def test_a_subscription_is_renewed_though_no_feed_is_due_and_no_issue_is_made(
    scene: Scene, program: Program, http_server: Any
) -> None:
    renew_hubs(scene.app)
    scene.hub.verify(scene.door, **{"hub.lease_seconds": "7200"})
    program.configure(feeds=[{"url": f"{http_server.url}/feed.xml"}], newsletters=[])
    jobs: list[str] = []
    with program.app(now=scene.clock) as app:
        defer = app.queue.defer

        def note(task: str, **options: Any) -> Any:
            jobs.append(task)
            return defer(task, **options)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(app.queue, "defer", note)
            with app.db.write() as conn:
                (feed,) = feeds.list_feeds(conn)
                feeds.put_off(conn, {feed.id: scene.clock() + DAY}, reason="as the test wants")
            defer_due(app)
            before = list(jobs)
            scene.clock.move(timedelta(hours=1, minutes=59))
            defer_due(app)

    assert (before, jobs) == ([], ["errands"])


def test_a_hub_that_only_the_headers_name_is_asked(program: Program, http_server: Any) -> None:
    hub = HubServer(http_server)
    body = b"<rss version='2.0'><channel><title>T</title><item><guid>1</guid></item></channel></rss>"
    link = '<https://other.example/>; rel="next", </hub>; rel="HUB"; title="a, b", <topic>; rel=self'
    http_server.handle("/feeds/a.xml", lambda request: Answer(body=body, headers={"Link": link}))
    program.configure(feeds=[{"url": f"{http_server.url}/feeds/a.xml"}])
    with program.app() as app:
        refresh_due(app)
        renew_hubs(app)

    assert [form["hub.topic"] for form in hub.forms] == [f"{http_server.url}/feeds/topic"]
    shown = program.run("feeds", "show", "1").out
    assert f"its hub     {http_server.url}/hub asked" in shown
    assert program.json("feeds", "show", "1")["hub"]["state"] == "asked"
    assert hub.forms[0]["hub.secret"] not in shown
