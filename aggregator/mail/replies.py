"""What a refusal of a mail server means: whose fault it is. Never talks to one.

Enhanced status codes (RFC 3463, IANA's list) decide first: the third digit group tells more than 550 does. Without
one, the step at which the server refused and, at RCPT, a few words decide.
"""

from __future__ import annotations

import re
from enum import Enum

from aggregator.errors import MailError, MailUnavailable, RecipientRefused, SenderRefused
from aggregator.metrics import OTHER, SMTP_REPLIES

_ENHANCED = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})(?!\d)")
#: Of x.1 (addresses): those that speak of the sender's.
_SENDER_ADDRESS = frozenset({7, 8})
#: Of x.7 (policy): the mailbox has another owner now (RFC 7293), so it is this recipient's matter.
_OTHER_OWNER = frozenset({17, 18})
#: At RCPT and without an enhanced code, these words speak of us, not of the address.
_ABOUT_US = re.compile(
    r"relay|authenti|denied|policy|blocked|block list|blacklist|blocklist|spam|not permitted|spf|dkim|dmarc", re.I
)
_MAX_WORDS = 300
#: IANA's highest detail of each subject, as counters name them: a server may say any number.
_DETAILS = (0, 10, 4, 6, 7, 7, 10, 30)
#: Counts what a server took, whatever its words.
ACCEPTED = SMTP_REPLIES.get("2xx", "none")


class Step(Enum):
    """Where in the conversation a reply was given."""

    CONNECT = "greeting"
    LOGIN = "login"
    RESET = "RSET"
    MAIL = "MAIL FROM"
    RCPT = "RCPT TO"
    DATA = "DATA"
    DOT = "the end of the text"
    QUIT = "QUIT"


def to_line(text: bytes | str) -> str:
    """Return a server's words as one line of printable text, at most 300 characters."""
    words = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    words = words.rstrip("\r\n")
    if words.isprintable() and "  " not in words:  # nearly always: once for each mail
        return words.strip()[:_MAX_WORDS]
    return "".join(c if c.isprintable() else " " for c in " ".join(words.split()))[:_MAX_WORDS]


def is_about_server(error: MailError, step: Step) -> bool:
    """Tell whether a passing refusal is about the server or our line to it, so that no mail is the worse for it.

    421 closes the line; at MAIL FROM nobody has been named yet but us; x.3 is the server's own state (a full disk).
    """
    if not isinstance(error, MailUnavailable):
        return False
    enhanced = _ENHANCED.match(error.text)
    return error.code == 421 or step is Step.MAIL or (enhanced is not None and enhanced[2] == "3")


def read_refusal(code: int, text: bytes | str, step: Step) -> MailError:
    """Return the error that a reply other than 2xx or 3xx means."""
    words = to_line(text)
    enhanced = _ENHANCED.match(words)
    _count_refusal(code, enhanced)
    if enhanced and code >= 400:
        kind, subject, detail = (int(group) for group in enhanced.groups())
        if kind == 4 or code < 500:
            return MailUnavailable(code, words)
        if kind == 5:
            return _read_enhanced(subject, detail, step)(code, words)
    if not 500 <= code < 600:
        return MailUnavailable(code if code > 0 else 0, words or "no SMTP reply")
    if step is Step.RCPT and code not in (503, 530, 535) and not _ABOUT_US.search(words):
        return RecipientRefused(code, words)
    return SenderRefused(code, words)


def _read_enhanced(subject: int, detail: int, step: Step) -> type[RecipientRefused | SenderRefused]:
    if subject == 1:
        return SenderRefused if detail in _SENDER_ADDRESS else RecipientRefused
    if subject == 2 or (subject, detail) == (6, 7):  # the mailbox; an address beyond ASCII
        return RecipientRefused
    if subject == 7:
        return RecipientRefused if detail in _OTHER_OWNER else SenderRefused
    if subject in (0, 4) and step is Step.RCPT:  # no route to this recipient's domain
        return RecipientRefused
    return SenderRefused  # system, protocol, content: the next mail would fare the same


def _count_refusal(code: int, enhanced: re.Match[str] | None) -> None:
    kind, status = f"{code // 100}xx" if 400 <= code < 600 else OTHER, "none"
    if enhanced:
        digit, subject, detail = (int(group) for group in enhanced.groups())
        is_known = subject < len(_DETAILS) and detail <= _DETAILS[subject]
        status = f"{digit}.{subject}.{detail}" if is_known else OTHER
    SMTP_REPLIES.add(kind, status)
