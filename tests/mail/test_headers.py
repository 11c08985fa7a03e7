"""The proof at every start that a title stays a title (CVE-2024-6923), and that it would notice."""

from __future__ import annotations

import re

import pytest
from structlog.testing import capture_logs

from aggregator.errors import SenderRefused
from aggregator.mail import headers
from aggregator.tasks.startup import prove_mail
from tests.mail.mails import NOW, prepare

_PROVE = headers.prove_headers.__wrapped__


@pytest.fixture
def careless(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule that refuses encoded words is gone."""
    monkeypatch.setattr(headers, "_UNSAFE", re.compile(r"(?!)"))
    headers.prove_headers.cache_clear()


def test_this_python_writes_titles_that_stay_titles() -> None:
    """Whether or not its own mail package is one of those that decode them."""
    _PROVE()


@pytest.mark.usefixtures("careless")
def test_without_the_rule_no_mail_is_made() -> None:
    """Told in one line at the start; an issue and a letter are refused when they are made."""
    with pytest.raises(SenderRefused, match="CVE-2024-6923"):
        _PROVE()
    with capture_logs() as told:
        prove_mail()
    assert [line["event"] for line in told] == ["mail.unfit"]
    assert "CVE-2024-6923" in told[0]["reason"]
    with pytest.raises(SenderRefused, match="no mail is made"):
        prepare()


@pytest.mark.parametrize("written", ["a  b", "a" * 60 + " " * 90 + "b " * 9, "", " plain ", " " * 200 + "x"])
def test_blanks_in_rows_make_no_empty_line(written: str) -> None:
    """A line of blanks among the headers ends them for some servers."""
    folded = headers.format_words("Subject", written)

    assert folded.replace("\r\n", "").split(" ") == (written.split() or [""])
    assert all(line.strip() for line in folded.split("\r\n")[1:])


def test_what_is_told_of_a_page_is_checked_like_text() -> None:
    """Addresses of pages come from the configuration."""
    for url in ("javascript:alert(1)", "https://a.example/>\r\nBcc: x", "https://a.example/a b"):
        with pytest.raises(SenderRefused, match="List-Archive: this address"):
            prepare(archive_url=url)
    data = prepare(reply_to="a?b%c@example.org", help_url="").personalise(
        address="a@b.example", message_id="<a.b@c.example>", unsubscribe_url="https://a.example/u", date=NOW
    )
    assert b"List-Owner: <mailto:a%3Fb%25c@example.org>\r\n" in data.data
    assert b"List-Help: <mailto:a%3Fb%25c@example.org?subject=help>\r\n" in data.data
