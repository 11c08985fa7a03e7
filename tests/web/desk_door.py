"""The desk behind a real server, and somebody who is logged in by its own form. Never a client that forgives."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

from aggregator.app import App
from aggregator.model.account import Role
from aggregator.tasks.desk.accounts import create_account
from tests.web.conftest import Door, Reply

PASSWORD = "correct horse battery staple"
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass
class Visitor:
    """A browser without a browser: a cookie, and the token of the forms."""

    door: Door
    cookie: str = ""
    csrf: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def get(self, path: str) -> Reply:
        """A page below /admin."""
        return self.door.ask(f"/admin{path}", headers={"Cookie": self.cookie, **self.headers})

    def post(self, path: str, **fields: str | Sequence[str]) -> Reply:
        """A form of a page below /admin, with the session's token."""
        sent = {"csrf": self.csrf, **fields}
        return self.door.ask(
            f"/admin{path}",
            "POST",
            headers={
                "Cookie": self.cookie,
                "Origin": self.door.url,
                "Sec-Fetch-Site": "same-origin",
                **_FORM,
                **self.headers,
            },
            body=urlencode(sent, doseq=True).encode(),
        )

    def follow(self, reply: Reply) -> Reply:
        """The page that an action leads to."""
        assert reply.status == 303, (reply.status, reply.text[:2000])
        return self.get(reply.headers["location"].removeprefix("/admin"))

    def log_in(self, name: str, password: str = PASSWORD) -> Reply:
        """By the form."""
        self.csrf = find_csrf(self.get("/login").text)
        reply = self.post("/login", name=name, password=password)
        if "set-cookie" in reply.headers:
            self.cookie = reply.headers["set-cookie"].partition(";")[0]
            self.csrf = find_csrf(self.get("/account").text)
        return reply


def find_csrf(text: str) -> str:
    """Of the first form of a page."""
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', text)
    assert found, text[:2000]
    return found[1]


def make_visitor(app: App, door: Door, name: str = "anna", role: Role = "editor") -> Visitor:
    """A new account, logged in."""
    create_account(app, name, PASSWORD, role=role)
    visitor = Visitor(door)
    assert visitor.log_in(name).status == 303
    return visitor
