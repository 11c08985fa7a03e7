"""What one person's letters may not do to each other, and what strangers may not leave in our tables."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from aggregator.storage import subscribers
from aggregator.storage.schema import letters
from tests.web.test_subscribe import TYPE, Office, find_path, office

__all__ = ["office"]


def test_a_second_letter_takes_nothing_from_the_first(office: Office) -> None:
    """Both links do what they say, in whatever order they are followed."""
    office.subscribe("a@example.org")
    (first,) = office.read_mails()
    office.now += timedelta(hours=25)
    office.subscribe("a@example.org", newsletter="daily")
    (second,) = office.read_mails()
    for mail in (second, first):
        path = find_path(mail, "/confirm/")
        assert "Yes, confirm" in office.door.ask(path).text
        assert "You are subscribed to" in office.post(path).text
    assert {one.newsletter: one.state for one in office.list()} == {"weekly": "confirmed", "daily": "confirmed"}


def test_who_said_yes_is_asked_anew_at_once(office: Office) -> None:
    """What an address was asked before its yes counts no more; what it is asked after does."""
    for _ in range(3):
        office.now += timedelta(hours=25)
        office.subscribe("a@example.org")
        (last,) = office.read_mails()
    office.now += timedelta(hours=25)
    office.subscribe("a@example.org", newsletter="daily")
    assert office.read_mails() == []
    office.post(find_path(last, "/confirm/"))
    office.subscribe("a@example.org", newsletter="daily")
    office.subscribe("a@example.org", newsletter="daily")
    assert len(office.read_mails()) == 1


def leave(office: Office, address: str) -> None:
    with office.app.db.write() as conn:
        subscribers.remove(conn, address, reason="one click", now=office.now)


def test_a_wish_that_is_older_than_an_ending_begins_nothing(office: Office) -> None:
    """Who left is not brought back by a letter of before, and its page does not say so."""
    paths = []
    for newsletter in ("weekly", ["weekly", "daily"]):
        office.subscribe("a@example.org", newsletter=newsletter)
        paths.append(find_path(office.read_mails()[0], "/confirm/"))
        office.now += timedelta(hours=25)
    office.post(paths[0])
    leave(office, "a@example.org")
    for reply in (office.door.ask(paths[0]), office.post(paths[0])):
        assert "Ask for a new one" in reply.text
    assert [one.state for one in office.list()] == ["ended"]
    # What did not end is as it was asked for.
    assert "Weekly" not in office.door.ask(paths[1]).text
    done = office.post(paths[1]).text
    assert "You are subscribed to" in done and "AI Daily" in done and "Weekly" not in done
    assert {one.newsletter: one.state for one in office.list()} == {"weekly": "ended", "daily": "confirmed"}
    leave(office, "a@example.org")
    assert "Ask for a new one" in office.door.ask(paths[1]).text


def test_a_letter_says_where_mail_goes_only_while_it_goes_there(office: Office) -> None:
    office.join("a@example.org")
    links = []
    for old, new in (("a@example.org", "b@example.com"), ("b@example.com", "c@example.net")):
        office.post(office.find_preferences(old), do="change", address=new)
        links.append(find_path(next(mail for mail in office.read_mails() if mail["To"] == new), "/confirm/"))
        assert "Mail goes to your new address" in office.post(links[-1]).text
        assert [mail["To"] for mail in office.read_mails()] == [old]
    assert "Ask for a new one" in office.door.ask(links[0]).text
    assert "Mail goes to your new address" in office.door.ask(links[1]).text


def test_who_comes_back_is_subscribed_again(office: Office) -> None:
    office.join("a@example.org")
    leave(office, "a@example.org")
    office.now += timedelta(hours=25)
    office.join("a@example.org")
    assert [one.state for one in office.list()] == ["confirmed"]


@pytest.mark.parametrize("language", ["../../etc", "a" * 99])
def test_of_a_wish_only_what_is_offered_is_kept(office: Office, language: str) -> None:
    topics = ["openai", "<script>", "x" * 5000]
    assert office.subscribe("a@example.org", language=language, topic=topics).status == 200
    with office.app.db.read() as conn:
        row = conn.execute(sa.select(letters.c.language, letters.c.topics)).one()
    assert tuple(row) == ("", ["openai"])
    assert len(office.read_mails()) == 1


def test_pages_behind_a_token_are_kept_by_nobody_and_lead_nowhere(office: Office) -> None:
    """No cache, no search engine, no address of the page in the next request, no cookie; wrong tokens likewise."""
    office.subscribe("a@example.org")
    path = find_path(office.read_mails()[0], "/confirm/")
    office.post(path)
    desk = office.find_preferences("a@example.org")
    for link in (path, desk, "/confirm/x", "/preferences/x", "/unsubscribe/x"):
        for reply in (office.door.ask(link), office.post(link)):
            assert reply.status == 200 and "set-cookie" not in reply.headers, link
            assert reply.headers["cache-control"] == "no-store" and reply.headers["x-robots-tag"] == "noindex", link
            assert reply.headers["referrer-policy"] == "no-referrer" or 'content="no-referrer"' in reply.text, link


def test_a_token_opens_only_its_own_door(office: Office) -> None:
    """And none opens anything once a character of it is another."""
    office.join("a@example.org")
    desk = office.find_preferences("a@example.org")
    token = desk.rpartition("/")[2]
    office.post(f"/unsubscribe/{token}")
    assert [one.state for one in office.list()] == ["confirmed"]
    for at in range(len(token)):
        other = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        office.post(f"/preferences/{other}", do="leave")
    assert [one.state for one in office.list()] == ["confirmed"]
    office.post(desk, do="leave")
    assert [one.state for one in office.list()] == ["ended"]


def test_no_token_is_logged(office: Office, capsys: pytest.CaptureFixture[str]) -> None:
    office.subscribe("a@example.org")
    (mail,) = office.read_mails()
    path = find_path(mail, "/confirm/")
    office.post(path)
    office.door.ask(path, "POST", TYPE, b"\xff" * 100)
    written = capsys.readouterr()
    shown = written.out + written.err
    assert path.rpartition("/")[2] not in shown
    assert "a@example.org" not in shown


def test_buttons_of_a_page_that_lay_open_while_the_person_moved_do_nothing(office: Office) -> None:
    office.join("a@example.org")
    desk = office.find_preferences("a@example.org")
    with office.app.db.write() as conn:
        subscribers.move(conn, office.list()[0].subscriber_id, "b@example.net")
    for do in ("save", "leave", "change", "export", "ask", "forget"):
        reply = office.post(desk, do=do, newsletter="daily", address="c@example.com")
        assert "This link does not work" in reply.text and "c@" not in reply.text, do
    assert [(one.email, one.newsletter, one.state) for one in office.list()] == [
        ("b@example.net", "weekly", "confirmed")
    ]
    assert office.read_mails() == []


def test_who_gets_no_mail_is_told_so(office: Office) -> None:
    """Not that it was saved. With another address all is well again."""
    office.join("a@example.org")
    desk = office.find_preferences("a@example.org")
    with office.app.db.write() as conn:
        subscribers.suppress(conn, "a@example.org", reason="bounced: 5.1.1", now=office.now)
    saved = office.post(desk, do="save", newsletter=["weekly", "daily"]).text
    assert "Saved." not in saved and "No mail is sent to this address" in saved
    assert "No mail is sent to this address" in office.door.ask(desk).text
    office.post(desk, do="change", address="b@example.net")
    office.post(find_path(office.read_mails()[-1], "/confirm/"))
    new = office.find_preferences("b@example.net")
    assert "Saved." in office.post(new, do="save", newsletter=["weekly", "daily"]).text
    assert {one.newsletter: one.state for one in office.list()} == {"weekly": "confirmed", "daily": "confirmed"}


def test_who_asks_for_too_many_letters_is_told_so(office: Office) -> None:
    """The one that was sent still moves the address."""
    office.join("a@example.org")
    desk = office.find_preferences("a@example.org")
    assert "a letter is on its way" in office.post(desk, do="change", address="b@example.net").text
    again = office.post(desk, do="change", address="b@example.net").text
    assert "No letter was sent" in again and "on its way" not in again
    (mail,) = office.read_mails()
    office.post(find_path(mail, "/confirm/"))
    assert office.list()[0].email == "b@example.net"
