"""The outbox: one file a mail, complete or absent, the same file when written twice, in the ledger's order."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from pathlib import Path

import pytest

from aggregator.errors import SenderRefused
from aggregator.mail.outbox import OutboxMailer, get_file_name
from aggregator.model.mailing import Ledger, Outgoing, Supply
from tests.fixtures.mail_ledger import MailLedger, make_message


def list_names(folder: Path) -> list[str]:
    """What is in a folder, hidden files included."""
    return sorted(path.name for path in folder.iterdir())


def test_a_mail_is_one_file_however_often_it_is_sent(tmp_path: Path) -> None:
    """Sent twice, one file with the mail's bytes; nothing else stays behind."""
    folder = tmp_path / "var" / "outbox"
    ledgers = [MailLedger(40), MailLedger(40)]

    endings = [OutboxMailer(folder).deliver(ledger.rows) for ledger in ledgers]

    assert endings == ["nothing more is due"] * 2
    assert [ledger.count() for ledger in ledgers] == [{"accepted": 40}] * 2
    assert list_names(folder) == sorted(f"2026-W48.{key}@example.org.eml" for key in range(40))
    assert all((folder / f"2026-W48.{key}@example.org.eml").read_bytes() == make_message(key).data for key in range(40))
    assert ledgers[0].outcomes[7].reply == f"written to {folder / '2026-W48.7@example.org.eml'}"


def test_commit_comes_before_the_file_has_its_name(tmp_path: Path) -> None:
    """When the ledger is asked no mail is there; when it fails there is not even half of one."""
    seen: list[list[Path]] = []

    def fail(number: int) -> None:
        seen.append(list(tmp_path.glob("*.eml")))
        raise LookupError("the disk is full")

    with pytest.raises(LookupError):
        OutboxMailer(tmp_path).deliver(MailLedger(3, on_commit=fail).rows)

    assert seen == [[]]
    assert list_names(tmp_path) == []


def test_what_the_ledger_forbids_is_not_written(tmp_path: Path) -> None:
    """The other mails of the same commit are."""
    ledger = MailLedger(5, forbidden={1, 4})

    OutboxMailer(tmp_path).deliver(ledger.rows)

    assert ledger.count() == {"accepted": 3, "forbidden": 2}
    assert list_names(tmp_path) == [f"2026-W48.{key}@example.org.eml" for key in (0, 2, 3)]


def test_a_mail_that_cannot_get_its_name_ends_it(tmp_path: Path) -> None:
    """A folder stands in its place: that mail is settled as refused, and so are those that were written."""
    (tmp_path / "2026-W48.1@example.org.eml" / "x").mkdir(parents=True)
    ledger = MailLedger(40)

    with pytest.raises(SenderRefused, match=r"cannot write .*2026-W48\.1@"):
        OutboxMailer(tmp_path).deliver(ledger.rows)

    assert ledger.count() == {"accepted": 15, "SenderRefused": 1}


def test_it_waits_and_stops_as_it_is_told(tmp_path: Path) -> None:
    """Nothing now is not the end; and a ledger that stops ends it."""
    waiting, stopping = MailLedger(3, waits=deque([0.01])), MailLedger(1_000, stops_after=2)

    endings = [OutboxMailer(tmp_path).deliver(ledger.rows) for ledger in (waiting, stopping)]

    assert endings == ["nothing more is due", "asked to stop"]
    assert waiting.count() == {"accepted": 3}
    assert stopping.count() == {"accepted": 32}


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """One clear line with the path, for sending and for the check alike."""
    (tmp_path / "outbox").write_text("a file where the folder should be")
    mailer = OutboxMailer(tmp_path / "outbox")

    with pytest.raises(SenderRefused, match=str(tmp_path / "outbox")):
        mailer.deliver(MailLedger(1).rows)
    with pytest.raises(SenderRefused, match=str(tmp_path / "outbox")):
        mailer.check()


def test_check_leaves_nothing_behind(tmp_path: Path) -> None:
    """The check makes the folder and says where mail goes."""
    assert OutboxMailer(tmp_path / "outbox").check() == f"mail is written into {tmp_path / 'outbox'}"
    assert list((tmp_path / "outbox").iterdir()) == []


@pytest.mark.parametrize(
    "message_id", ["<../../etc/passwd@x>", "<a/b@x>", "<.hidden@x>", f"<{'x' * 500}@y>", "<>", "<日本@x>"]
)
def test_no_message_id_leads_out_of_the_folder(tmp_path: Path, message_id: str) -> None:
    """Names are made safe, and stay different for different ids."""
    mails = [Supply(mails=(Outgoing(key=0, message=replace(make_message(0), message_id=message_id)),))]
    ledger = Ledger(
        take=lambda limit: mails.pop() if mails else Supply(),
        commit=lambda about, settled: about,
        is_stopping=lambda: False,
    )

    OutboxMailer(tmp_path).deliver(ledger)
    files = list(tmp_path.iterdir())

    assert len(files) == 1
    assert files[0].name == get_file_name(message_id)
    assert not files[0].name.startswith(".")
    assert get_file_name(message_id) != get_file_name(message_id + "2")
