"""Mails as bytes: an issue, built once and split where its readers differ, and single letters. Never sends.

What differs is To, Date, Message-ID and the reader's own addresses; all other bytes are the same for everybody. All
output is 7-bit with CRLF line ends (RFC 5322, 2045, 2047, 2369, 2919, 3834, 8058), and no line of it begins with a
dot: it goes after SMTP's DATA as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache
from hashlib import sha256

from aggregator.mail.dkim import Signer
from aggregator.mail.draft import DATE, MESSAGE_ID, TO, WAYS_OUT, Draft, Layout
from aggregator.mail.headers import (
    SAFE_URL,
    format_mailbox,
    format_words,
    is_domain,
    prove_headers,
    read_address,
    read_mailbox,
)
from aggregator.model.newsletter import PREFERENCES_TOKEN, UNSUBSCRIBE_TOKEN
from aggregator.model.subscriber import Message

#: Ours, as `addresses` makes them: safe in an envelope and in a mailto link.
_OWN_ADDRESS = re.compile(r"[A-Za-z0-9._+=-]{1,64}@[A-Za-z0-9.-]{1,253}\Z")
_MESSAGE_ID = re.compile(r"<[A-Za-z0-9._-]+@[A-Za-z0-9.-]+>\Z")
_ATOM = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*\Z")


def message_id(issue_slug: str, public_id: str, domain: str) -> str:
    """Return ``<ISSUE-SLUG.PUBLIC_ID@domain>``: the same at every attempt, so that receivers know a repeated mail."""
    if not (_ATOM.match(issue_slug) and _ATOM.match(public_id) and is_domain(domain)):
        raise ValueError(f"no Message-ID can be made of {issue_slug!r}, {public_id!r} and {domain!r}")
    return f"<{issue_slug}.{public_id}@{domain}>"


def get_sender_domain(sender: str) -> str:
    """Return the domain of ``AI Weekly <news@example.org>``: what Message-IDs and List-Ids are made with."""
    return read_mailbox("From", sender)[1].rpartition("@")[2]


class PreparedMessage:
    """The bytes of a mail, with gaps for what is personal. Made by `prepare_message`; threads may share it."""

    def __init__(self, sender: str, draft: Draft, signer: Signer | None) -> None:
        #: Envelope sender when there is no return path: the address of From.
        self.sender = sender
        self._draft = draft
        self._signer = signer
        # By the lengths of the tokens' values, modulo 3: that decides where base64 can be cut. All links of one
        # newsletter are equally long, so that there is one.
        self._layouts: dict[tuple[int, ...], Layout] = {}

    def personalise(
        self,
        *,
        address: str,
        message_id: str,
        unsubscribe_url: str,
        date: datetime,
        preferences_url: str = "",
        return_path: str = "",
        unsubscribe_mail: str = "",
    ) -> Message:
        """Return the mail of one subscriber; the same arguments give the same bytes.

        ``preferences_url``: where there is none, the page to unsubscribe stands. ``return_path``: the envelope's
        sender (`addresses`). ``unsubscribe_mail``: where a mail, instead of a click, ends the subscription.

        Raises RecipientRefused for an address that cannot stand alone in a To header, ValueError for an address of
        ours or a Message-ID that is not plain (a bug in the caller).
        """
        preferences_url = preferences_url or unsubscribe_url
        _require(SAFE_URL, "web address", unsubscribe_url, preferences_url)
        _require(_OWN_ADDRESS, "mail address of ours", *filter(None, (return_path, unsubscribe_mail)))
        return self.fill(
            address,
            message_id,
            date,
            return_path,
            values={UNSUBSCRIBE_TOKEN: unsubscribe_url, PREFERENCES_TOKEN: preferences_url},
            ways_out=_format_ways_out(unsubscribe_url, unsubscribe_mail),
        )

    def fill(
        self,
        address: str,
        message_id: str,
        date: datetime,
        return_path: str,
        *,
        values: Mapping[str, str],
        ways_out: bytes = b"",
    ) -> Message:
        """Return a mail for ``address`` in which each token of the body became its value, plain ASCII."""
        recipient = read_address(address)
        _require(_MESSAGE_ID, "Message-ID of ours", message_id)
        seconds = int(date.timestamp())
        key = tuple([len(value) % 3 for value in values.values()])
        layout = self._layouts.get(key)
        if layout is None:
            sizes = dict(zip(values, key, strict=True))
            layout = self._layouts[key] = self._draft.lay_out(sizes, self._signer)
        gaps = {
            TO: recipient.encode("ascii"),
            DATE: _format_date(seconds),
            MESSAGE_ID: message_id.encode("ascii"),
            WAYS_OUT: ways_out,
        }
        return Message(
            sender=return_path or self.sender,
            recipient=recipient,
            message_id=message_id,
            data=layout.write(gaps, values, seconds=seconds),
        )


def prepare_message(
    *,
    newsletter: str,
    issue_slug: str,
    subject: str,
    html: str,
    text: str,
    sender: str,
    reply_to: str = "",
    list_title: str,
    list_id_domain: str,
    archive_url: str = "",
    help_url: str = "",
    subscribe_url: str = "",
    signer: Signer | None = None,
) -> PreparedMessage:
    """Build the mail of an issue. ``html`` and ``text`` may hold each of `model.newsletter.TOKENS` any number of times.

    ``newsletter`` is its slug, ``sender`` and ``reply_to`` are ``Name <address>`` or an address, ``list_id_domain`` is
    the domain that the List-Id ends in. ``archive_url``, ``help_url`` and ``subscribe_url`` are the newsletter's pages.
    Raises SenderRefused when the subject, a name or an address cannot stand in a header: no mail of this issue could
    be right.
    """
    prove_headers()
    _, sender_address = read_mailbox("From", sender)
    draft = Draft(text=text, html=html, seed="\0".join((issue_slug, subject, text, html)))
    draft.add_people(sender, reply_to)
    draft.add("Subject", format_words("Subject", subject))
    draft.add_gap("Date", DATE)
    draft.add_gap("Message-ID", MESSAGE_ID)
    draft.add("List-Id", format_mailbox("List-Id", list_title, f"<{newsletter}.{list_id_domain}>"))
    draft.add_gap("List-Unsubscribe", WAYS_OUT)
    draft.add("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")
    owner = read_mailbox("Reply-To", reply_to)[1] if reply_to else sender_address
    draft.add_list(owner, archive_url=archive_url, help_url=help_url, subscribe_url=subscribe_url)
    draft.add_automatic()
    draft.add("Precedence", "bulk")
    draft.add("Feedback-ID", f"{issue_slug}:{newsletter}:digest:{make_sender_id(sender_address)}")
    draft.add_mime()
    return PreparedMessage(sender_address, draft, signer)


def write_letter(
    *,
    subject: str,
    html: str,
    text: str,
    sender: str,
    recipient: str,
    message_id: str,
    date: datetime,
    reply_to: str = "",
    return_path: str = "",
    unsubscribe_url: str = "",
    signer: Signer | None = None,
) -> Message:
    """Return a mail to one person, about their own subscription or about our work; ``html`` and ``text`` are complete.

    ``html``: empty for a mail of text alone.
    ``unsubscribe_url``: a page that ends what led to this letter; there is no one-click header, because there may be
    no subscription yet. Raises as `prepare_message` and `PreparedMessage.personalise` do.
    """
    prove_headers()
    _, sender_address = read_mailbox("From", sender)
    _require(_OWN_ADDRESS, "mail address of ours", *filter(None, (return_path,)))
    draft = Draft(text=text, html=html, seed="\0".join((message_id, subject, text, html)))
    draft.add_people(sender, reply_to)
    draft.add("Subject", format_words("Subject", subject))
    draft.add_gap("Date", DATE)
    draft.add_gap("Message-ID", MESSAGE_ID)
    if unsubscribe_url:
        _require(SAFE_URL, "web address", unsubscribe_url)
        draft.add("List-Unsubscribe", f"<{unsubscribe_url}>")
    draft.add_automatic()
    draft.add_mime()
    return PreparedMessage(sender_address, draft, signer).fill(recipient, message_id, date, return_path, values={})


def make_sender_id(address: str) -> str:
    """Return what names us in Gmail's feedback loop: 5 to 15 characters, the same for all mails of a domain."""
    return sha256(address.rpartition("@")[2].lower().encode("ascii")).hexdigest()[:12]


def _require(pattern: re.Pattern[str], what: str, *values: str) -> None:
    for value in values:
        if not pattern.match(value):
            raise ValueError(f"not a plain {what}: {value!r}")


def _format_ways_out(url: str, mail: str) -> bytes:
    """The value of List-Unsubscribe: the page first, which one click can post to (RFC 8058)."""
    by_mail = f",\r\n <mailto:{mail}?subject=unsubscribe>" if mail else ""
    return f"<{url}>{by_mail}".encode("ascii")


@lru_cache(maxsize=64)
def _format_date(seconds: int) -> bytes:
    return format_datetime(datetime.fromtimestamp(seconds, UTC)).encode("ascii")
