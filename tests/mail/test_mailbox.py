"""The box that mail comes back to: a real Maildir, and a real conversation with a server that fails in many ways."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from aggregator.errors import MailboxError
from aggregator.mail.mailbox import MAX_READ, Mailbox, open_mailbox
from aggregator.model.settings import BounceSettings, ImapSettings
from tests.fixtures.imap_server import ImapServer
from tests.fixtures.smtp_server import Drop

MAIL = b"To: b@bounce.example.org\r\nSubject: back\r\n\r\nHello.\r\n"


def make_maildir(folder: Path) -> Path:
    for name in ("new", "cur", "tmp"):
        (folder / name).mkdir(parents=True)
    return folder


def open_folder(folder: Path) -> Mailbox:
    box = open_mailbox(BounceSettings(address="b@bounce.example.org", maildir=str(folder)))
    assert box is not None
    return box


def open_imap(server: ImapServer, *, context: ssl.SSLContext | None = None, **changes: object) -> Mailbox:
    values: dict[str, object] = {
        "host": server.host,
        "port": server.port,
        "username": "bounces",
        "password": "secret",
        "tls": "none",
    }
    imap = ImapSettings(**(values | changes))  # type: ignore[arg-type]
    box = open_mailbox(BounceSettings(address="b@bounce.example.org", imap=imap), context=context)
    assert box is not None
    return box


def test_no_box_is_named() -> None:
    assert open_mailbox(None) is None
    assert open_mailbox(BounceSettings(address="b@bounce.example.org")) is None


def test_a_maildir_gives_each_mail_until_it_is_done(tmp_path: Path) -> None:
    """What is being written (tmp) and what was done (cur) is never touched."""
    folder = make_maildir(tmp_path / "box")
    (folder / "new" / "1700000002.b.host").write_bytes(b"second")
    (folder / "new" / "1700000001.a.host").write_bytes(MAIL)
    (folder / "tmp" / "1700000003.c.host").write_bytes(b"half a ma")
    (folder / "cur" / "1690000000.z.host:2,S").write_bytes(b"old")
    box = open_folder(folder)

    names = box.find()
    loaded = box.load(names)
    again = open_folder(folder).find()
    box.mark_done(names[:1])

    assert list(names) == ["1700000001.a.host", "1700000002.b.host"] == list(again)
    assert [mail.raw for mail in loaded] == [MAIL, b"second"]
    assert list(box.find()) == ["1700000002.b.host"]
    assert sorted(path.name for path in (folder / "cur").iterdir()) == [
        "1690000000.z.host:2,S",
        "1700000001.a.host:2,S",
    ]
    assert (folder / "cur" / "1700000001.a.host:2,S").read_bytes() == MAIL
    assert (folder / "tmp" / "1700000003.c.host").exists()


def test_what_is_no_plain_file_is_not_followed(tmp_path: Path) -> None:
    """A link to a secret, a pipe that nobody writes to, a folder: none is read, none is waited for."""
    folder = make_maildir(tmp_path / "box")
    (tmp_path / "secret").write_bytes(b"password")
    (folder / "new" / "1.link").symlink_to(tmp_path / "secret")
    os.mkfifo(folder / "new" / "2.pipe")
    (folder / "new" / "3.folder").mkdir()
    box = open_folder(folder)

    assert list(box.find()) == []
    assert list(box.load(["1.link", "2.pipe", "3.folder"])) == []


def test_mails_that_vanish_are_no_fault(tmp_path: Path) -> None:
    """Another reader was quicker."""
    folder = make_maildir(tmp_path / "box")
    (folder / "new" / "1.a").write_bytes(MAIL)
    box = open_folder(folder)
    names = box.find()
    (folder / "new" / "1.a").unlink()

    assert list(box.load(names)) == []
    box.mark_done(names)


def test_a_huge_mail_is_read_at_its_beginning(tmp_path: Path, imap_server: ImapServer) -> None:
    folder = make_maildir(tmp_path / "box")
    (folder / "new" / "1.a").write_bytes(b"x" * (MAX_READ + 5))
    imap_server.add(b"x" * (MAX_READ + 5))

    for box in (open_folder(folder), open_imap(imap_server)):
        (mail,) = box.load(box.find())
        assert len(mail.raw) == MAX_READ
        box.close()


@pytest.mark.parametrize("make", [False, True], ids=["nothing", "an empty folder"])
def test_a_folder_that_is_no_maildir_is_named(make: bool, tmp_path: Path) -> None:
    if make:
        (tmp_path / "box").mkdir()

    with pytest.raises(MailboxError, match="box: is no Maildir: it has no folder cur"):
        open_folder(tmp_path / "box").find()


def test_imap_gives_each_mail_until_it_is_done(imap_server: ImapServer) -> None:
    """Reading marks nothing; what is done is seen, and nothing is ever deleted or expunged."""
    first, second = imap_server.add(MAIL), imap_server.add(b"second")
    seen = imap_server.add(b"old", "\\Seen")
    box = open_imap(imap_server)

    names = box.find()
    loaded = box.load(names)
    before = {uid: set(mail.flags) for uid, mail in imap_server.mails.items()}
    box.mark_done(names[:1])
    left = box.find()
    box.close()

    assert list(names) == [str(first), str(second)]
    assert [(mail.name, mail.raw) for mail in loaded] == [(str(first), MAIL), (str(second), b"second")]
    assert before == {first: set(), second: set(), seen: {"\\Seen"}}
    assert list(left) == [str(second)]
    assert imap_server.mails[first].flags == {"\\Seen"}
    assert imap_server.connections == 1
    assert not [command for command in imap_server.commands if "EXPUNGE" in command or "Deleted" in command]
    assert imap_server.commands[-1] == "LOGOUT"


def test_a_server_may_name_the_uid_last(imap_server: ImapServer) -> None:
    imap_server.uid_last = True
    uids = [imap_server.add(raw) for raw in (MAIL, b"", b"UID 7 {3}\r\nabc)")]
    box = open_imap(imap_server)

    loaded = box.load(box.find())
    box.close()

    assert [(mail.name, mail.raw) for mail in loaded] == [(str(uid), imap_server.mails[uid].raw) for uid in uids]


def test_mails_that_another_deletes_are_left_out(imap_server: ImapServer) -> None:
    first, second = imap_server.add(MAIL), imap_server.add(b"second")
    box = open_imap(imap_server)
    names = box.find()
    del imap_server.mails[first]

    loaded = box.load(names)
    box.mark_done(names)
    box.close()

    assert [mail.name for mail in loaded] == [str(second)]


@pytest.mark.parametrize("kind", ["starttls", "implicit"])
def test_the_line_is_encrypted(kind: str, make_imap_server: Callable[..., ImapServer]) -> None:
    server = make_imap_server(tls=True, implicit=kind == "implicit")
    uid = server.add(MAIL)
    box = open_imap(server, tls=kind, context=server.client_context)

    loaded = box.load(box.find())
    box.close()

    assert [(mail.name, mail.raw) for mail in loaded] == [(str(uid), MAIL)]
    assert "secret" not in server.commands[0]


@pytest.mark.parametrize("kind", ["starttls", "implicit"])
def test_an_unknown_certificate_is_refused_before_the_password(
    kind: str, make_imap_server: Callable[..., ImapServer]
) -> None:
    server = make_imap_server(tls=True, implicit=kind == "implicit")

    with pytest.raises(MailboxError, match=r"127\.0\.0\.1:\d+: the server cannot be reached: .*certificate"):
        open_imap(server, tls=kind).find()
    assert not [command for command in server.commands if "LOGIN" in command]


def test_a_server_without_encryption_hears_no_password(imap_server: ImapServer) -> None:
    """STARTTLS stripped on the way: no login."""
    with pytest.raises(MailboxError, match="the server cannot be reached: TLS not supported by server"):
        open_imap(imap_server, tls="starttls").find()

    assert not [command for command in imap_server.commands if "LOGIN" in command]


def test_a_refused_login_is_named_without_the_password(imap_server: ImapServer) -> None:
    with pytest.raises(MailboxError) as caught:
        open_imap(imap_server, password="guess-work").find()
    imap_server.answer("LOGIN", "BAD do not say LOGIN bounces sesame")
    with pytest.raises(MailboxError) as echoed:
        open_imap(imap_server, password="sesame").find()

    place = f"127.0.0.1:{imap_server.port}"
    assert str(caught.value) == f"{place}: the login of bounces was refused: [AUTHENTICATIONFAILED] wrong password"
    assert str(echoed.value).startswith(f"{place}: the login of bounces ")
    assert "sesame" not in str(echoed.value)


def test_a_missing_folder_is_named(imap_server: ImapServer) -> None:
    with pytest.raises(MailboxError, match=r"the folder Bounces/戻り cannot be opened: no such folder"):
        open_imap(imap_server, folder="Bounces/戻り").find()


def test_a_greeting_that_turns_us_away(imap_server: ImapServer) -> None:
    imap_server.answer("CONNECT", "* BYE come back later")

    with pytest.raises(MailboxError, match=r"127\.0\.0\.1:\d+: the server cannot be reached"):
        open_imap(imap_server).find()


@pytest.mark.parametrize("step", ["CONNECT", "LOGIN", "SELECT", "SEARCH"])
def test_a_line_that_ends_is_one_clear_sentence(step: str, imap_server: ImapServer) -> None:
    """And the next call opens another line."""
    uid = imap_server.add(MAIL)
    imap_server.answer(step, Drop())
    box = open_imap(imap_server)

    with pytest.raises(MailboxError) as caught:
        box.find()

    assert str(caught.value).startswith(f"127.0.0.1:{imap_server.port}: the ")
    assert "\n" not in str(caught.value)
    assert list(box.find()) == [str(uid)]
    box.close()


@pytest.mark.parametrize("after_bytes", [0, 3, 20, 45, 46, 80, 94])
def test_a_line_that_ends_within_a_mail_gives_none(after_bytes: int, imap_server: ImapServer) -> None:
    """Half a mail is never taken for one; nothing is marked."""
    uid = imap_server.add(MAIL)
    imap_server.answer("FETCH", Drop(after_bytes=after_bytes))
    box = open_imap(imap_server)
    names = box.find()

    with pytest.raises(MailboxError, match="mails cannot be fetched"):
        box.load(names)

    assert imap_server.mails[uid].flags == set()
    assert [mail.raw for mail in box.load(names)] == [MAIL]
    box.close()


def test_refusals_of_single_commands(imap_server: ImapServer) -> None:
    imap_server.add(MAIL)
    box = open_imap(imap_server)
    names = box.find()

    for step, call in (
        ("SEARCH", box.find),
        ("FETCH", lambda: box.load(names)),
        ("STORE", lambda: box.mark_done(names)),
    ):
        imap_server.answer(step, "NO [UNAVAILABLE] disk on fire")
        with pytest.raises(MailboxError, match=r"127\.0\.0\.1:\d+: .*\[UNAVAILABLE\] disk on fire"):
            call()
    box.close()


def test_a_box_that_vanishes(imap_server: ImapServer) -> None:
    """Between two calls, and for good."""
    imap_server.add(MAIL)
    box = open_imap(imap_server)
    names = box.find()
    imap_server.stop()

    with pytest.raises(MailboxError, match="mails cannot be fetched"):
        box.load(names)
    with pytest.raises(MailboxError, match="the server cannot be reached: Connection refused"):
        box.mark_done(names)
    box.close()


def test_a_name_that_does_not_resolve() -> None:
    box = open_imap(ImapServer(host="imap.example.invalid", port=143))

    with pytest.raises(MailboxError, match=r"imap\.example\.invalid:143: the server cannot be reached: "):
        box.find()


def test_names_and_passwords_beyond_ascii(imap_server: ImapServer) -> None:
    """Said by AUTHENTICATE, which knows UTF-8."""
    imap_server.answer("AUTHENTICATE", "NO not today")

    with pytest.raises(MailboxError, match="the login of bounces failed"):
        open_imap(imap_server, password="schlüssel").find()
