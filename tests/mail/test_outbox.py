"""The outbox: one file a mail, complete or absent, the same file when written twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from aggregator.errors import SenderRefused
from aggregator.mail.outbox import OutboxMailer, get_file_name
from aggregator.model.subscriber import Message

MESSAGE = Message(
    sender="news@example.org",
    recipient="reader@example.net",
    message_id="<2026-W48.abc@example.org>",
    data=b"Subject: Hello\r\n\r\nOne.\r\n",
)


def test_a_mail_is_one_file_however_often_it_is_sent(tmp_path: Path) -> None:
    """Sent twice, one file with the mail's bytes; nothing else stays behind."""
    mailer = OutboxMailer(tmp_path / "var" / "outbox")
    commits: list[int] = []

    replies = [mailer.send(MESSAGE, about_to_commit=lambda: commits.append(1)) for _ in range(2)]
    mailer.close()
    files = list((tmp_path / "var" / "outbox").iterdir())

    assert [file.name for file in files] == ["2026-W48.abc@example.org.eml"]
    assert files[0].read_bytes() == MESSAGE.data
    assert replies == [f"written to {files[0]}"] * 2
    assert len(commits) == 2


def test_commit_comes_before_the_file_has_its_name(tmp_path: Path) -> None:
    """When the ledger says no, no mail is there, not even half of one."""
    mailer = OutboxMailer(tmp_path)
    seen: list[list[Path]] = []

    def fail() -> None:
        seen.append(list(tmp_path.glob("*.eml")))
        raise LookupError("the row is lost")

    with pytest.raises(LookupError):
        mailer.send(MESSAGE, about_to_commit=fail)

    assert seen == [[]]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """One clear line with the path, for sending and for the check alike."""
    (tmp_path / "outbox").write_text("a file where the folder should be")
    mailer = OutboxMailer(tmp_path / "outbox")

    with pytest.raises(SenderRefused, match=str(tmp_path / "outbox")):
        mailer.send(MESSAGE, about_to_commit=lambda: None)
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
    OutboxMailer(tmp_path).send(replace(MESSAGE, message_id=message_id), about_to_commit=lambda: None)
    files = list(tmp_path.iterdir())

    assert len(files) == 1
    assert files[0].name == get_file_name(message_id)
    assert not files[0].name.startswith(".")
    assert get_file_name(message_id) != get_file_name(message_id + "2")
