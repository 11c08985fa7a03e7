"""A person subscribes, confirms, chooses and leaves, by HTTP alone; and what strangers and programs may not do."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from typing import Any
from urllib.parse import urlencode

import pytest
import sqlalchemy as sa

from aggregator.app import App
from aggregator.model.subscriber import Subscription
from aggregator.storage import people, subscribers
from aggregator.storage.schema import letters, subscriptions
from aggregator.tasks.letters import send_letters
from tests.fixtures.program import Program
from tests.web.conftest import Door, Reply

TYPE = {"Content-Type": "application/x-www-form-urlencoded"}
LINK = re.compile(r"http://news\.example\.org(/[^\s<>\"]+)")
PAPERS = [
    {"slug": "weekly", "title": "AI <Weekly>", "schedule": "0 8 * * 1", "topics": ["openai", "anthropic"],
     "languages": ["en", "ja"], "description": "Once a week."},
    {"slug": "daily", "title": "AI Daily", "schedule": "0 8 * * *"},
    {"slug": "closed", "title": "For us alone", "schedule": "0 8 * * *", "open": False},
]  # fmt: skip


@dataclass
class Office:
    """A served installation whose clock the test holds."""

    program: Program
    now: datetime = datetime(2026, 11, 2, 9, tzinfo=UTC)
    app: App = field(init=False)
    door: Door = field(init=False)

    def post(self, path: str, **fields: Any) -> Reply:
        return self.door.ask(path, "POST", TYPE, urlencode(fields, doseq=True).encode())

    def subscribe(self, address: str, wait: float = 10, **fields: Any) -> Reply:
        stamp = re.search(r'name="stamp" value="([^"]+)"', self.door.ask("/subscribe").text)
        assert stamp
        self.now += timedelta(seconds=wait)
        return self.post("/subscribe", **{"stamp": stamp[1], "address": address, "newsletter": "weekly"} | fields)

    def read_mails(self) -> list[Any]:
        """Letters that went out since the last time."""
        before = set(self.program.folder.rglob("*.eml"))
        send_letters(self.app, pause=lambda _: False)
        new = sorted(set(self.program.folder.rglob("*.eml")) - before)
        return [message_from_bytes(file.read_bytes(), policy=policy.SMTP) for file in new]

    def join(self, address: str, **fields: Any) -> None:
        self.subscribe(address, **fields)
        (mail,) = self.read_mails()
        assert "That is done" in self.post(find_path(mail, "/confirm/")).text

    def list(self) -> list[Subscription]:
        with self.app.db.read() as conn:
            return list(subscribers.list_subscriptions(conn))

    def find_preferences(self, address: str) -> str:
        """The page of a person, as the mail that says `known` gives it."""
        self.now += timedelta(days=31)
        self.subscribe(address)
        return find_path(self.read_mails()[-1], "/preferences/")

    def count_letters(self) -> int:
        with self.app.db.read() as conn:
            query = sa.select(sa.func.count()).where(letters.c.state != "failed")
            return int(conn.execute(query).scalar_one())


def find_path(mail: Any, start: str) -> str:
    text = mail.get_body(("plain",)).get_content()
    found: list[str] = [path for path in LINK.findall(text) if path.startswith(start)]
    return found[0]


@pytest.fixture
def office(program: Program, serve: Callable[..., Door]) -> Iterator[Office]:
    bounces = {"address": "b@bounce.example.org", "maildir": "returned"}
    program.configure(newsletters=PAPERS, mail={"from": "AI Weekly <news@example.org>", "bounces": bounces})
    office = Office(program)
    with program.app(now=lambda: office.now) as app:
        office.app, office.door = app, serve(app)
        yield office


def test_from_the_form_to_the_end(office: Office) -> None:
    """Programs that follow links change nothing; each step is done once; evidence is kept."""
    shown = office.door.ask("/subscribe")
    assert "AI &lt;Weekly&gt;" in shown.text and "For us alone" not in shown.text
    assert "Once a week." in shown.text and "Every Monday at 8:00 (Europe/Berlin)" in shown.text
    assert (
        shown.headers["cache-control"] == "no-store"
        and "form-action 'self'" in shown.headers["content-security-policy"]
    )
    assert office.subscribe("Ann@Example.org", newsletter=["weekly", "closed"], topic=["openai", "x"]).status == 200
    assert office.list() == []
    (mail,) = office.read_mails()
    assert office.read_mails() == [] and mail["To"] == "Ann@example.org"
    path = find_path(mail, "/confirm/")
    for method in ("GET", "HEAD") * 3:
        for link in LINK.findall(mail.get_body(("html",)).get_content()):
            assert office.door.ask(link, method).status == 200
    assert office.list() == []
    assert "Ann@" not in office.door.ask(path).text

    assert "You are subscribed to" in office.post(path).text
    (one,) = office.list()
    assert (one.newsletter, one.state, one.topics) == ("weekly", "confirmed", ("openai",))
    assert "form 2026-11" in one.consent and "2026-11-02 09:" in one.consent and "127.0.0" not in one.consent
    assert "That is done" in office.post(path).text and len(office.list()) == 1

    desk = office.find_preferences("ann@example.org")
    assert 'value="openai" id="t-openai" checked' in office.door.ask(desk).text
    saved = office.post(desk, do="save", newsletter=["weekly", "daily"], topic="anthropic", language="ja")
    assert "Saved." in saved.text
    found = {one.newsletter: (one.state, one.language, one.topics) for one in office.list()}
    assert found == {"weekly": ("confirmed", "ja", ("anthropic",)), "daily": ("confirmed", "", ())}
    with office.app.db.read() as conn:
        variants = conn.execute(sa.text("SELECT variant FROM subscriptions ORDER BY newsletter")).scalars().all()
    assert variants == ["", "ja|anthropic"]

    office.post(desk, do="leave")
    assert {one.state for one in office.list()} == {"ended"}


def test_the_answer_is_the_same_for_every_address(office: Office) -> None:
    office.join("known@example.org")
    with office.app.db.write() as conn:
        subscribers.suppress(conn, "gone@example.net", reason="test", now=office.now)
    answers = [office.subscribe(one) for one in ("known@example.org", "gone@example.net", "new@example.com") * 2]
    assert {(one.status, one.body) for one in answers} == {(200, answers[0].body)}
    told = {(str(mail["To"]), str(mail["Subject"])[:20]) for mail in office.read_mails()}
    assert told == {("known@example.org", "You are subscribed a"), ("new@example.com", "Please confirm: AI <")}


def test_caps(office: Office) -> None:
    """One a day and three in all to an address, five an hour from a network; they outlive everything but time."""
    for _ in range(3):
        office.subscribe("one@example.org")
    assert office.count_letters() == 1
    for _ in range(5):
        office.now += timedelta(days=1)
        office.subscribe("one@example.org")
    assert office.count_letters() == 3
    for number in range(9):
        office.subscribe(f"p{number}@d{number}.example.net")
    assert office.count_letters() == 3 + 5


def test_who_is_no_person_gets_nothing(office: Office) -> None:
    """A field that nobody sees, a form filled too fast, kept too long or made by hand."""
    assert office.subscribe("a@example.org", website="x").status == 200
    assert office.subscribe("a@example.org", wait=1).status == 200
    late = office.subscribe("a@example.org", wait=3700)
    assert late.status == 422 and 'value="a@example.org"' in late.text
    assert office.subscribe("a@example.org", stamp="1.abc").status == 422
    assert office.count_letters() == 0


NO_ADDRESSES = ("", "a", "a@b@example.org", "a\r\nBcc: x@example.org", '"><script>@example.org',
                "a" * 65 + "@example.org", "Ann <ann@example.org>", "a@localhost", "\0a@exa mple.org")  # fmt: skip


def test_what_is_no_address_is_said_at_its_field(office: Office) -> None:
    for address in NO_ADDRESSES:
        reply = office.subscribe(address)
        assert reply.status == 422 and 'aria-describedby="address-error"' in reply.text, address
        assert "<script" not in reply.text and 'value="weekly" id="n-weekly" checked' in reply.text
    assert office.count_letters() == 0


def test_an_old_link_and_a_wrong_one_look_the_same(office: Office) -> None:
    office.subscribe("a@example.org")
    (mail,) = office.read_mails()
    office.now += timedelta(hours=73)
    old = office.post(find_path(mail, "/confirm/"))
    assert old.body == office.post("/confirm/nonsense.x").body and "Ask for a new one" in old.text
    assert office.list() == []
    assert office.door.ask("/preferences/nonsense").status == 200


def test_another_address_once_it_is_confirmed(office: Office) -> None:
    office.join("old@example.org")
    desk = office.find_preferences("old@example.org")
    assert 'id="address-error"' in office.post(desk, do="change", address="no").text
    office.post(desk, do="change", address="new@example.net")
    (asked,) = office.read_mails()
    assert asked["To"] == "new@example.net" and office.list()[0].email == "old@example.org"
    office.post(find_path(asked, "/confirm/"))
    assert office.list()[0].email == "new@example.net"
    (told,) = office.read_mails()
    assert told["To"] == "old@example.org"


def test_an_address_that_is_somebody_else_s_already(office: Office) -> None:
    """Only who reads both mailboxes can say so: the subscriptions join, nothing comes twice."""
    office.join("old@example.org", newsletter=["weekly", "daily"], topic="openai")
    office.join("new@example.net", newsletter="daily")
    office.post(office.find_preferences("old@example.org"), do="change", address="NEW@example.net")
    asked = next(mail for mail in office.read_mails() if mail["Subject"].startswith("Please confirm your new"))
    office.post(find_path(asked, "/confirm/"))
    found = {(one.email, one.newsletter): (one.state, one.topics) for one in office.list()}
    assert found == {
        ("old@example.org", "weekly"): ("ended", ("openai",)),
        ("old@example.org", "daily"): ("ended", ()),
        ("new@example.net", "daily"): ("confirmed", ()),
        ("new@example.net", "weekly"): ("confirmed", ("openai",)),
    }
    (told,) = office.read_mails()
    assert told["To"] == "old@example.org"


def test_an_address_whose_person_has_no_subscription_any_more(office: Office) -> None:
    office.join("old@example.org")
    office.join("new@example.net")
    with office.app.db.write() as conn:
        gone = subscribers.find_person(conn, "new@example.net")
        conn.execute(subscriptions.delete().where(subscriptions.c.subscriber_id == gone))
    office.post(office.find_preferences("old@example.org"), do="change", address="new@example.net")
    asked = next(mail for mail in office.read_mails() if mail["Subject"].startswith("Please confirm your new"))
    office.post(find_path(asked, "/confirm/"))
    assert {(one.email, one.state) for one in office.list()} == {
        ("old@example.org", "ended"),
        ("new@example.net", "confirmed"),
    }


def test_of_two_new_addresses_the_last_one_holds(office: Office) -> None:
    """Who mistyped the first does not lose everything to whom it belongs."""
    office.join("old@example.org")
    desk = office.find_preferences("old@example.org")
    office.post(desk, do="change", address="wrong@example.com")
    (wrong,) = office.read_mails()
    office.post(desk, do="change", address="right@example.net")
    (right,) = office.read_mails()
    assert "Ask for a new one" in office.post(find_path(wrong, "/confirm/")).text
    assert "That is done" in office.post(find_path(right, "/confirm/")).text
    assert [one.email for one in office.list()] == ["right@example.net"]
    # Links in the old mailbox open nothing any more; those that end the subscription do for ever.
    assert "right" not in office.door.ask(desk).text and "Another address" not in office.door.ask(desk).text
    # The letter that told the old address goes with the person.
    (told,) = office.read_mails()
    assert told["To"] == "old@example.org"
    with office.app.db.write() as conn:
        people.forget(conn, "right@example.net", now=office.now)
        kept = set(conn.execute(sa.select(letters.c.address).where(letters.c.kind == "changed")).scalars())
    assert kept == set()


@pytest.mark.parametrize(
    ("one", "other", "capped"),
    [
        ("a@example.org", "a+news@example.org", True),
        ("a.b@gmail.com", "AB+x@googlemail.com", True),
        ("a.b@example.org", "ab@example.org", False),
    ],
)
def test_a_box_is_capped_by_whatever_name(office: Office, one: str, other: str, capped: bool) -> None:
    office.subscribe(one)
    office.subscribe(other)
    assert len(office.read_mails()) == (1 if capped else 2)


@pytest.mark.parametrize("moment", ["before it is asked", "after the letter"])
def test_a_new_address_that_wants_no_mail(office: Office, moment: str) -> None:
    """The page says what it always says; nothing is mailed, nothing changes."""
    office.join("old@example.org")
    desk = office.find_preferences("old@example.org")

    def suppress() -> None:
        with office.app.db.write() as conn:
            subscribers.suppress(conn, "new@example.net", reason="test", now=office.now)

    if moment == "before it is asked":
        suppress()
    assert "a letter is on its way" in office.post(desk, do="change", address="new@example.net").text
    mails = office.read_mails()
    if moment == "before it is asked":
        assert mails == []
    else:
        suppress()
        assert "Ask for a new one" in office.post(find_path(mails[0], "/confirm/")).text
    assert [(one.email, one.state) for one in office.list()] == [("old@example.org", "confirmed")]
    assert office.read_mails() == []


def test_nobody_s_address(office: Office) -> None:
    """Machines, offices and our own return paths get no letter; strangers hear what everybody hears."""
    answer = office.subscribe("p@example.org").body
    office.read_mails()
    nobody = ["Abuse@a.example.net", "postmaster+x@b.example.net", "no-reply@c.example.net", "x@Bounce.example.org"]
    assert {office.subscribe(one).body for one in nobody[:3]} == {answer}
    office.now += timedelta(hours=2)
    assert office.subscribe(nobody[3]).body == answer
    assert office.subscribe("info@bounce.example.com").body == answer
    assert [mail["To"] for mail in office.read_mails()] == ["info@bounce.example.com"]
    office.join("old@example.org")
    desk = office.find_preferences("old@example.org")
    assert "a letter is on its way" in office.post(desk, do="change", address="abuse@a.example.net").text
    assert office.read_mails() == []


def test_own_data_and_being_forgotten(office: Office) -> None:
    office.join("a@example.org")
    desk = office.find_preferences("a@example.org")
    data = office.post(desk, do="export")
    assert "attachment" in data.headers["content-disposition"]
    assert json.loads(data.body)["subscriptions"][0]["newsletter"] == "weekly"
    assert "Erase everything" in office.post(desk, do="ask").text and len(office.list()) == 1
    assert "You are forgotten" in office.post(desk, do="forget").text
    assert office.list() == [] and "does not work" in office.door.ask(desk).text
    with office.app.db.read() as conn:
        found = people.find_person(conn, "a@example.org")
    assert found and found.suppression and not found.letters
    office.now += timedelta(days=2)
    office.subscribe("a@example.org")
    assert office.read_mails() == []


def read_reasons(office: Office) -> list[str]:
    return [one.ended_reason for one in office.list()]


def test_leaving_and_coming_back(office: Office) -> None:
    """By the page's buttons; who left all of them has all of them again, for a day."""
    office.join("a@example.org", newsletter=["weekly", "daily"])
    office.now += timedelta(days=31)
    office.subscribe("a@example.org")
    path = find_path(office.read_mails()[-1], "/unsubscribe/")
    assert "AI &lt;Weekly&gt;" in office.door.ask(path).text
    assert 'name="do" value="one"' in office.door.ask(path).text
    office.post(path, do="one")
    assert [one.state for one in office.list()] == ["ended", "confirmed"] and read_reasons(office) == ["page", ""]
    office.post(path, do="undo")
    assert [one.state for one in office.list()] == ["confirmed", "confirmed"]
    assert 'value="undo"' in office.post(path, do="all").text
    assert read_reasons(office) == ["page: all newsletters"] * 2
    office.post(path, do="undo")
    assert [one.state for one in office.list()] == ["confirmed", "confirmed"]
    office.post(path, **{"List-Unsubscribe": "One-Click"})
    assert read_reasons(office) == ["one click", ""]
    office.post(path, do="all")
    assert [one.state for one in office.list()] == ["ended", "ended"]
    office.now += timedelta(days=2)
    office.post(path, do="undo")
    assert [one.state for one in office.list()] == ["ended", "ended"]


def test_what_is_kept_is_said(office: Office) -> None:
    page = office.door.ask("/privacy")
    assert "400 days" in page.text and "33 days" in page.text and "editor@example.org" in page.text
