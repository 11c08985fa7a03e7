"""The box that mail comes back to is read by the daemon and by command: once, whatever happens in between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from structlog.testing import capture_logs

from aggregator.app import App
from aggregator.errors import MailboxError
from aggregator.mail.addresses import delivery_address, unsubscribe_address
from aggregator.mail.bounces import read_bounce
from aggregator.storage import bounces, meta, subscribers, troubles
from aggregator.storage.schema import deliveries
from aggregator.tasks import bounces as task
from aggregator.tasks.due import defer_due, get_tasks
from tests.fixtures.imap_server import ImapServer
from tests.fixtures.program import Program
from tests.fixtures.smtp_server import Drop
from tests.storage.returned import deliver
from tests.storage.samples import NOW, subscribe
from tests.tasks.paper import Clock

BASE = "b@bounce.example.org"
ADA, BOB = "ada@example.org", "bob@example.org"
_PROJECT = Path(__file__).resolve().parent.parent.parent


class House:
    """An installation whose mail comes back, with one delivery to Ada and one to Bob."""

    def __init__(self, program: Program, app: App, clock: Clock, box: Path) -> None:
        self.program, self.app, self.clock, self.box = program, app, clock, box
        with app.db.write() as conn:
            self.key = meta.get_identity(conn).signing_key
            subscribe(conn, ADA, BOB)
            self.deliveries = {email: deliver(conn, email) for email in (ADA, BOB)}
            self.ties = {one.email: one.id for one in subscribers.list_subscriptions(conn)}

    def make_bounce(self, email: str, words: str = "550 5.1.1 user unknown", *, key: bytes | None = None) -> bytes:
        to = delivery_address(key or self.key, BASE, self.deliveries[email])
        status = words.split(" ")[1]
        text = f"""Delivered-To: {to}
From: MAILER-DAEMON@mx.example.org
Subject: Undelivered Mail
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=x

--x
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org

Final-Recipient: rfc822; {email}
Action: failed
Status: {status}
Diagnostic-Code: smtp; {words}

--x--
"""
        return text.replace("\n", "\r\n").encode()

    def drop(self, name: str, raw: bytes) -> Path:
        """Put a mail into the Maildir."""
        path = self.box / "new" / name
        path.write_bytes(raw)
        return path

    def states(self) -> dict[str, str]:
        with self.app.db.read() as conn:
            return {one.email: one.state for one in subscribers.list_subscriptions(conn)}

    def kinds(self) -> list[str]:
        with self.app.db.read() as conn:
            return [one.kind for one in bounces.list_bounces(conn)]

    def troubles(self) -> dict[str, str]:
        with self.app.db.read() as conn:
            return {one.name: one.reason for one in troubles.list_troubles(conn)}

    def run_job(self) -> None:
        """What the queue does with the job."""
        get_tasks(self.app, pause=lambda _: False)["bounces"]()


@contextmanager
def _open_house(program: Program, **where: Any) -> Iterator[House]:
    box = program.folder / "box"
    for name in ("new", "cur", "tmp"):
        (box / name).mkdir(parents=True)
    program.configure(mail={"from": "AI Weekly <news@example.org>", "bounces": {"address": BASE, **where}})
    clock = Clock(NOW)
    with program.app(now=clock) as app:
        yield House(program, app, clock, box)


@pytest.fixture
def house(program: Program) -> Iterator[House]:
    """With a Maildir."""
    with _open_house(program, maildir="box") as made:
        yield made


@pytest.fixture
def imap_house(program: Program, imap_server: ImapServer) -> Iterator[House]:
    """With a mailbox on a server."""
    password = program.folder / "password"
    password.write_text("secret\n", encoding="ascii")
    password.chmod(0o600)
    imap = {
        "host": imap_server.host,
        "port": imap_server.port,
        "username": "bounces",
        "password_file": "password",
        "tls": "none",
    }
    with _open_house(program, imap=imap) as made:
        yield made


def test_the_daemon_reads_the_box_every_five_minutes(house: House) -> None:
    """Without a box it looks at refusals at the door only; without newsletters, at nothing."""
    asked: list[str] = []

    class Queue:
        def defer(self, name: str, *, key: str, **ids: int | str) -> bool:
            asked.append(name)
            return True

    app = replace(house.app, queue=Queue())  # type: ignore[arg-type]
    house.drop("1.a", house.make_bounce(ADA))

    defer_due(app)
    assert "bounces" in asked
    house.run_job()
    asked.clear()
    defer_due(app)
    assert "bounces" not in asked
    house.clock.move(minutes=5)
    defer_due(app)
    assert "bounces" in asked
    assert house.states() == {ADA: "ended", BOB: "confirmed"}

    house.clock.move(minutes=5)
    boxless = replace(app.settings, mail=replace(app.settings.mail, bounces=None))
    assert task.is_due(replace(app, settings=boxless))
    assert not task.is_due(replace(app, settings=replace(boxless, newsletters=())))


def test_mails_of_every_kind_in_one_reading(house: House) -> None:
    """One that is forged, one that is garbage, and one that leaves cost nobody else anything."""
    house.drop("1.a", house.make_bounce(ADA, key=b"forged"))
    house.drop("2.b", b"\x00\xff" * 500)
    house.drop("3.c", f"To: {unsubscribe_address(house.key, BASE, house.ties[BOB])}\r\n\r\nbye".encode())
    house.drop("4.d", house.make_bounce(ADA, "552 5.2.2 mailbox full"))
    seen: list[tuple[int, int]] = []

    tally = task.read_returned(house.app, on_progress=lambda tally: seen.append((tally.found, tally.read)))

    assert (tally.read, dict(tally.kinds), tally.ended) == (4, {"other": 2, "unsubscribe": 1, "soft": 1}, 1)
    assert seen == [(4, 4)]
    assert house.states() == {ADA: "confirmed", BOB: "ended"}
    assert list((house.box / "new").iterdir()) == []
    assert len(list((house.box / "cur").iterdir())) == 4


def test_a_mail_that_breaks_us_costs_itself_only(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is kept, said, and not read again and again."""
    house.drop("1.a", b"breaks")
    house.drop("2.b", house.make_bounce(ADA))

    def read(raw: bytes, key: bytes) -> Any:
        if raw == b"breaks":
            raise ZeroDivisionError
        return read_really(raw, key)

    read_really = read_bounce
    monkeypatch.setattr(task, "read_bounce", read)
    tally = task.read_returned(house.app)

    assert dict(tally.kinds) == {"other": 1, "hard": 1}
    with house.app.db.read() as conn:
        (kept,) = bounces.list_bounces(conn, kind="other")
    assert kept.diagnostic == "could not be understood: ZeroDivisionError"
    assert list((house.box / "new").iterdir()) == []


def test_many_mails_are_read_a_few_at_a_time_until_told_to_stop(house: House) -> None:
    for number in range(task.CHUNK * 2 + 1):
        house.drop(f"{number:04}.a", f"To: {BASE}\r\n\r\nspam {number}".encode())
    read: list[int] = []

    task.read_returned(house.app, is_stopping=lambda: len(read) == 1, on_progress=lambda tally: read.append(tally.read))

    assert read == [task.CHUNK]
    assert len(list((house.box / "new").iterdir())) == task.CHUNK + 1
    assert task.read_returned(house.app).read == task.CHUNK + 1


def test_killed_between_storing_and_marking_it_is_stored_once(imap_house: House, imap_server: ImapServer) -> None:
    """The real command, killed when the server hears that the mail is done; read again, it changes nothing."""
    uid = imap_server.add(imap_house.make_bounce(ADA, "552 5.2.2 mailbox full"))
    command = [sys.executable, "-m", "aggregator", "bounces", "read", "--config", str(imap_house.program.config)]
    process = subprocess.Popen(command, cwd=_PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def kill() -> None:
        os.kill(process.pid, signal.SIGKILL)
        raise ConnectionResetError  # the server never does what it was asked

    imap_server.answer("STORE", kill)
    process.communicate(timeout=60)

    assert process.returncode == -signal.SIGKILL
    assert imap_server.mails[uid].flags == set()
    assert imap_house.kinds() == ["soft"]

    tally = task.read_returned(imap_house.app)

    assert (tally.read, tally.known) == (1, 1)
    assert imap_house.kinds() == ["soft"]
    assert imap_server.mails[uid].flags == {"\\Seen"}
    assert task.read_returned(imap_house.app).read == 0


def test_a_line_that_is_lost_midway_goes_on_where_it_was(imap_house: House, imap_server: ImapServer) -> None:
    """What was stored until then stays, the rest is read the next time; nobody is lost or counted twice."""
    for number in range(task.CHUNK):
        imap_server.add(f"To: {BASE}\r\n\r\nspam {number}".encode())
    imap_server.add(imap_house.make_bounce(ADA))
    imap_server.answer("FETCH", lambda: None)
    imap_server.answer("FETCH", Drop(after_bytes=50))

    with pytest.raises(MailboxError, match="mails cannot be fetched"):
        task.read_returned(imap_house.app)
    assert len(imap_house.kinds()) == task.CHUNK

    tally = task.read_returned(imap_house.app)
    assert (tally.read, tally.known, tally.ended) == (1, 0, 1)


def test_a_box_that_vanishes_is_said_and_tried_later_and_later(
    imap_house: House, imap_server: ImapServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line with the server's name, a trouble for the editor, and the end of both when it is back."""
    port = imap_server.port
    imap_server.stop()
    waits = []
    for _ in range(5):
        imap_house.run_job()
        began = imap_house.clock()
        while not task.is_due(imap_house.app):
            imap_house.clock.move(minutes=5)
        waits.append(imap_house.clock() - began)

    assert waits == [timedelta(minutes=minutes) for minutes in (10, 20, 40, 60, 60)]
    (reason,) = imap_house.troubles().values()
    assert reason == f"127.0.0.1:{port}: the server cannot be reached: Connection refused"

    imap_server.start()
    imap_server.add(imap_house.make_bounce(ADA))
    imap_house.run_job()

    assert imap_house.troubles() == {}
    assert imap_house.states()[ADA] == "ended"
    assert not task.is_due(imap_house.app)
    imap_house.clock.move(minutes=5)
    assert task.is_due(imap_house.app)


def test_reading_by_hand_ends_the_trouble_too(imap_house: House, imap_server: ImapServer) -> None:
    """The editor has mended the box and need not wait for the daemon's next look, an hour away."""
    imap_server.stop()
    imap_house.run_job()
    assert list(imap_house.troubles()) == [task.UNREADABLE]

    imap_server.start()
    assert imap_house.program.run("bounces", "read").code == 0
    assert imap_house.troubles() == {}


def test_a_box_that_is_taken_away_is_no_trouble_any_more(imap_house: House, imap_server: ImapServer) -> None:
    """The editor gave it up: `/readyz` does not go on about it."""
    imap_server.stop()
    imap_house.run_job()
    app = imap_house.app
    boxless = replace(app.settings, mail=replace(app.settings.mail, bounces=None))
    imap_house.clock.move(minutes=10)

    assert task.is_due(replace(app, settings=boxless))
    task.read_due(replace(app, settings=boxless), pause=lambda _: False)

    assert imap_house.troubles() == {}


def test_refusals_at_the_door_are_an_alarm_where_no_box_is_read(house: House) -> None:
    """Said once, however often it is looked at."""
    app = replace(house.app, settings=replace(house.app.settings, mail=replace(house.app.settings.mail, bounces=None)))
    with app.db.write() as conn:
        for number in range(task.POLICY_ALARM):
            now = house.clock() - timedelta(minutes=number)
            text = "5.7.1 blocked using zen.spamhaus.org"
            task.note_refused(conn, house.deliveries[ADA], code=550, text=text, now=now, mail=app.settings.mail)
    with capture_logs() as logs:
        for _ in range(3):
            assert task.is_due(app)
            task.read_due(app, pause=lambda _: False)
            house.clock.move(minutes=5)

    assert list(house.troubles()) == [task.REFUSED]
    assert [line["event"] for line in logs] == ["bounces.policy"]


def test_many_refusals_by_policy_are_the_editors_trouble(house: House) -> None:
    """Nobody is punished; the alarm ends a day after the last."""
    for number in range(task.POLICY_ALARM):
        raw = house.make_bounce(ADA, "550 5.7.26 unauthenticated mail is not accepted")
        house.drop(f"{number}.a", raw + b"%d" % number)
    house.run_job()

    assert house.states()[ADA] == "confirmed"
    assert list(house.troubles()) == [task.REFUSED]
    assert "5.7.26" in house.troubles()[task.REFUSED]

    house.clock.move(days=1, minutes=1)
    house.run_job()
    assert house.troubles() == {}


def test_a_refusal_at_the_servers_door(house: House) -> None:
    """`note_refused` stands in the transaction that marked the row."""
    with house.app.db.write() as conn:
        conn.execute(sa.update(deliveries).values(state="failed"))
        kinds = [
            task.note_refused(
                conn, house.deliveries[email], code=550, text=text, now=house.clock(), mail=house.app.settings.mail
            )
            for email, text in ((ADA, "5.1.1 <ada@example.org>: no such user"), (BOB, "5.2.2 over quota"))
        ]
        states = dict(conn.execute(sa.select(deliveries.c.id, deliveries.c.state)).all())

    assert kinds == ["hard", "soft"]
    assert set(states.values()) == {"bounced"}
    assert house.states() == {ADA: "ended", BOB: "confirmed"}


def test_the_commands(house: House) -> None:
    """read, list, show; what a stranger wrote is shown and not obeyed."""
    evil = house.make_bounce(ADA).replace(b"user unknown", b"user unknown \x1b[2J\xe2\x80\xae evil")
    house.drop("1.a", evil)
    house.drop("2.b", house.make_bounce(BOB, key=b"forged"))
    run = house.program.run

    first, second = run("bounces", "read"), run("bounces", "read")
    listed = house.program.json("bounces", "list")
    hard = house.program.json("bounces", "list", "--kind", "hard", "--newsletter", "weekly")
    shown = run("bounces", "show", str(hard[0]["id"]))

    assert first.out == f"{house.box}: 2 mails read: 1 hard, 1 other\n1 subscription ended.\n"
    assert second.out == f"{house.box}: 0 mails read\n"
    assert [(one["kind"], one["address"]) for one in listed] == [("other", ""), ("hard", ADA)]
    assert (len(hard), hard[0]["issue"], hard[0]["status"], hard[0]["origin"]) == (1, "one", "5.1.1", "maildir")
    assert "Final-Recipient: rfc822; ada@example.org\n" in shown.out
    assert "user unknown \\x1b[2J\\u202e evil" in shown.out
    assert "\x1b" not in shown.out and "\r" not in shown.out
    assert "Content-Type: multipart/report" in house.program.json("bounces", "show", str(hard[0]["id"]))["mail"]


def test_what_the_commands_refuse(house: House) -> None:
    run = house.program.run
    (house.box / "cur").rmdir()

    unknown = run("bounces", "show", "77")
    kind, newsletter = run("bounces", "list", "--kind", "bouncy"), run("bounces", "list", "--newsletter", "daily")
    unreadable, empty = run("bounces", "read"), run("bounces", "list")
    house.program.configure()
    nowhere = run("bounces", "read")

    assert (unknown.code, unknown.err) == (1, "aggregator: no bounce has the number 77\n")
    assert kind.code == 2
    assert "'bouncy' is no kind of bounce; expected one of hard, soft" in kind.err
    assert newsletter.code == 1
    assert (unreadable.code, unreadable.err) == (
        1,
        f"aggregator: {house.box}: is no Maildir: it has no folder cur\n",
    )
    assert (empty.code, empty.out) == (0, "Nothing came back.\n")
    assert nowhere.code == 2
    assert "mail.bounces names neither a maildir nor an imap box" in nowhere.err
