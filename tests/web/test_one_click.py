"""Leaving as a mail program does it (RFC 8058): with what stands in the raw mail, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from aggregator.app import App
from aggregator.storage import subscribers
from tests.fixtures.program import Program
from tests.web.conftest import Door, News

FORM = ({"Content-Type": "application/x-www-form-urlencoded"}, b"List-Unsubscribe=One-Click")
MULTIPART = (
    {"Content-Type": 'multipart/form-data; boundary="b"'},
    b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n',
)


def read_mails(folder: Path) -> dict[str, str]:
    """Of each mail that went out: who gets it, and the path that one click posts to."""
    paths = {}
    for file in folder.rglob("*.eml"):
        mail = message_from_bytes(file.read_bytes(), policy=policy.SMTP)
        assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        found = re.match(r"<http://news\.example\.org(/[^>]+)>", mail["List-Unsubscribe"])
        assert found, "the first way out is the page"
        paths[str(mail["To"])] = found[1]
    return paths


@pytest.fixture
def mailed(news: News) -> tuple[Program, dict[str, str]]:
    """An issue that two people got, and their ways out."""
    news.configure()
    program = news.program
    assert program.json("fetch", "--all")["failed"] == 0
    for person in ("one@example.org", "two@example.org"):
        assert program.run("subscribers", "add", person).code == 0
    assert program.json("issues", "build")["state"] == "ready"
    assert program.run("issues", "send", "weekly").code == 0
    return program, read_mails(program.folder)


def test_one_click_ends_the_subscription_of_the_mail_it_stood_in(
    mailed: tuple[Program, dict[str, str]], serve: Callable[[App], Door]
) -> None:
    """In both forms; again is no error; an unknown token gets the same answer; no redirect, no cookie."""
    program, paths = mailed
    assert sorted(paths) == ["one@example.org", "two@example.org"]
    with program.app() as app:
        door = serve(app)

        def list_active() -> list[str]:
            with app.db.read() as conn:
                listed = subscribers.list_subscriptions(conn, "weekly")
            return sorted(one.email for one in listed if one.ended_at is None)

        assert door.ask(paths["one@example.org"]).status == 200
        assert list_active() == ["one@example.org", "two@example.org"]
        left = ["two@example.org"]
        for person, (headers, body) in (("one@example.org", FORM), ("two@example.org", MULTIPART)):
            first = door.ask(paths[person], "POST", headers, body)
            assert list_active() == left
            again = door.ask(paths[person], "POST", headers, body)
            nobody = door.ask("/unsubscribe/nobody", "POST", headers, body)
            assert [first.status, again.status, nobody.status] == [200, 200, 200]
            assert first.body == again.body
            assert "set-cookie" not in first.headers and "location" not in first.headers
            left = []
