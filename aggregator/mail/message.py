"""An issue as MIME: built once, split where subscribers differ, joined for each of them. Never sends, never signs.

What differs is To, Date, Message-ID and the unsubscribe address (in its header and in both parts); all other bytes are
the same for everybody. All output is 7-bit with CRLF line ends (RFC 5322, 2045, 2047, 2369, 2919, 3834, 8058).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.errors import HeaderParseError
from email.header import Header
from email.headerregistry import Address
from email.utils import format_datetime, getaddresses
from hashlib import sha256

from aggregator.errors import RecipientRefused, SenderRefused
from aggregator.mail.quoted import encode_inline, encode_text
from aggregator.model.newsletter import UNSUBSCRIBE_TOKEN
from aggregator.model.subscriber import Message

#: Nothing that ends a header line, hides in one or turns its direction; nor an encoded word, which Python's own mail
#: package would decode while it folds a header (CVE-2024-6923).
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]|=\\?")
_PLAIN_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@[A-Za-z0-9.-]+\Z")
_PLAIN_DOMAIN = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\Z")
#: Safe as it is in a header, in HTML and in text alike: no quotes, ampersands, angle brackets or spaces.
_SAFE_URL = re.compile(r"https?://[A-Za-z0-9._~:/?#\[\]@!$()*+,;=%-]{1,900}\Z")
_ATOM = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*\Z")
#: A bare phrase needs no quotes when it is made of these (RFC 5322 atext and spaces).
_PLAIN_PHRASE = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+\Z")

_TO, _DATE, _ID, _HEADER_URL, _BODY_URL = "to", "date", "id", "header url", "body url"


def message_id(issue_slug: str, public_id: str, domain: str) -> str:
    """Return ``<ISSUE-SLUG.PUBLIC_ID@domain>``: the same at every attempt, so that receivers know a repeated mail."""
    if not (_ATOM.match(issue_slug) and _ATOM.match(public_id) and _PLAIN_DOMAIN.match(domain)):
        raise ValueError(f"no Message-ID can be made of {issue_slug!r}, {public_id!r} and {domain!r}")
    return f"<{issue_slug}.{public_id}@{domain}>"


def get_sender_domain(sender: str) -> str:
    """Return the domain of ``AI Weekly <news@example.org>``: what Message-IDs and List-Ids are made with."""
    return _read_mailbox("From", sender)[1].rpartition("@")[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedMessage:
    """The bytes of an issue, with gaps for what is personal. Made by `prepare_message`."""

    #: Envelope sender: the address of From.
    sender: str
    #: Bytes as they are, or the name of what goes there.
    parts: tuple[bytes | str, ...]

    def personalise(self, *, address: str, message_id: str, unsubscribe_url: str, date: datetime) -> Message:
        """Return the mail of one subscriber; the same arguments give the same bytes.

        Raises RecipientRefused for an address that cannot stand alone in a To header, ValueError for an unsubscribe
        address or a Message-ID that is not ours (a bug in the caller).
        """
        recipient = _read_address(address)
        if not _SAFE_URL.match(unsubscribe_url):
            raise ValueError(f"not a plain web address: {unsubscribe_url!r}")
        if not re.fullmatch(r"<[A-Za-z0-9._-]+@[A-Za-z0-9.-]+>", message_id):
            raise ValueError(f"not a Message-ID of ours: {message_id!r}")
        gaps: Mapping[str, bytes] = {
            _TO: recipient.encode("ascii"),
            _DATE: format_datetime(date).encode("ascii"),
            _ID: message_id.encode("ascii"),
            _HEADER_URL: unsubscribe_url.encode("ascii"),
            _BODY_URL: encode_inline(unsubscribe_url),
        }
        data = b"".join(part if isinstance(part, bytes) else gaps[part] for part in self.parts)
        return Message(sender=self.sender, recipient=recipient, message_id=message_id, data=data)


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
) -> PreparedMessage:
    """Build the mail of an issue. ``html`` and ``text`` may hold `UNSUBSCRIBE_TOKEN` any number of times.

    ``newsletter`` is its slug, ``sender`` and ``reply_to`` are ``Name <address>`` or an address, ``list_id_domain`` is
    the domain that the List-Id ends in, ``archive_url`` the list's public archive. Raises SenderRefused when the
    subject, a name or an address cannot stand in a header: no mail of this issue could be right.
    """
    _, sender_address = _read_mailbox("From", sender)
    draft = _Draft()
    draft.add_people(sender, reply_to)
    draft.add(f"Subject: {_format_words('Subject', subject)}")
    draft.add_gap("Date", _DATE)
    draft.add_gap("Message-ID", _ID)
    draft.add(f"List-Id: {_format_mailbox('List-Id', list_title, f'<{newsletter}.{list_id_domain}>')}")
    draft.add_list(_read_mailbox("Reply-To", reply_to)[1] if reply_to else sender_address, archive_url)
    draft.add(f"Feedback-ID: {issue_slug}:{newsletter}:digest:{sender_address.rpartition('@')[2]}")
    seed = "\0".join((issue_slug, subject, text, html))
    draft.add_bodies(text, html, boundary="=_" + sha256(seed.encode("utf-8", "replace")).hexdigest()[:32])
    return PreparedMessage(sender=sender_address, parts=_join_neighbours(draft.parts))


class _Draft:
    """The parts of a mail, in their order."""

    def __init__(self) -> None:
        self.parts: list[bytes | str] = []

    def add(self, *lines: str) -> None:
        self.parts += [line.encode("ascii") + b"\r\n" for line in lines]

    def add_gap(self, name: str, gap: str, before: str = "", after: str = "") -> None:
        self.parts += [f"{name}: {before}".encode("ascii"), gap, f"{after}\r\n".encode("ascii")]

    def add_people(self, sender: str, reply_to: str) -> None:
        """Who writes, who is answered, and the gap for who reads."""
        for name, mailbox in (("From", sender), ("Reply-To", reply_to)):
            if mailbox:
                phrase, address = _read_mailbox(name, mailbox)
                self.add(f"{name}: {_format_mailbox(name, phrase, f'<{address}>')}")
        self.add_gap("To", _TO)

    def add_list(self, owner: str, archive_url: str) -> None:
        """What makes it a mail of a list that one click ends, and that no robot answers (RFC 2369, 3834, 8058)."""
        self.add_gap("List-Unsubscribe", _HEADER_URL, "<", ">")
        self.add("List-Unsubscribe-Post: List-Unsubscribe=One-Click", "List-Post: NO", f"List-Owner: <mailto:{owner}>")
        if archive_url:
            if not _SAFE_URL.match(archive_url):
                raise SenderRefused(0, f"the archive's address cannot stand in a header: {archive_url!r}")
            self.add(f"List-Archive: <{archive_url}>")
        self.add("Auto-Submitted: auto-generated", "Precedence: bulk", "X-Auto-Response-Suppress: OOF, AutoReply")

    def add_bodies(self, text: str, html: str, *, boundary: str) -> None:
        """The text first: of alternatives the last is the best (RFC 2046 5.1.4)."""
        self.add("MIME-Version: 1.0", f'Content-Type: multipart/alternative;\r\n boundary="{boundary}"', "")
        for subtype, content in (("plain", text), ("html", html)):
            self.add(f"--{boundary}", f'Content-Type: text/{subtype}; charset="utf-8"')
            self.add("Content-Transfer-Encoding: quoted-printable", "")
            for number, segment in enumerate(encode_text(content, UNSUBSCRIBE_TOKEN)):
                self.parts += [_BODY_URL, segment] if number else [segment]
        self.add(f"--{boundary}--")


def _join_neighbours(parts: list[bytes | str]) -> tuple[bytes | str, ...]:
    """Join fixed parts that follow each other: fewer pieces for every subscriber."""
    joined: list[bytes | str] = []
    for part in parts:
        if joined and isinstance(part, bytes) and isinstance(joined[-1], bytes):
            joined[-1] += part
        else:
            joined.append(part)
    return tuple(joined)


def _check(name: str, value: str) -> str:
    found = _UNSAFE.search(value)
    if found:
        raise SenderRefused(0, f"{name} holds {found[0]!a}, which may not stand in a mail header: {value!a}")
    return value


def _format_words(name: str, value: str) -> str:
    """Return text as the value of a header, folded; encoded words (RFC 2047) when it is not ASCII."""
    value = _check(name, value).strip()
    charset = "us-ascii" if value.isascii() and max(map(len, value.split()), default=0) < 70 else "utf-8"
    return Header(value, charset, maxlinelen=76, header_name=name).encode(linesep="\r\n")


def _format_mailbox(name: str, phrase: str, bracketed: str) -> str:
    """Return ``phrase <address>``: the phrase quoted or encoded as it needs, the address never touched."""
    _check(name, bracketed)
    if not phrase.strip():
        return bracketed
    if _check(name, phrase).isascii() and len(phrase) < 70:
        quoted = phrase if _PLAIN_PHRASE.match(phrase) else '"' + re.sub(r'(["\\])', r"\\\1", phrase) + '"'
        folded = f"{quoted} {bracketed}"
        return folded if len(name) + len(folded) < 76 else f"{quoted}\r\n {bracketed}"
    encoded = Header(phrase, "utf-8", maxlinelen=76, header_name=name).encode(linesep="\r\n")
    return f"{encoded}\r\n {bracketed}"


def _read_mailbox(name: str, mailbox: str) -> tuple[str, str]:
    """Return (name, address) of a mailbox that the editor wrote."""
    found = getaddresses([_check(name, mailbox)])  # not parseaddr: of two addresses older Pythons take the first
    phrase, address = found[0] if len(found) == 1 else ("", "")
    try:
        return phrase, _read_address(address)
    except RecipientRefused as error:
        raise SenderRefused(0, f"{name} is not one mail address: {mailbox!r}") from error


def _read_address(address: str) -> str:
    """Return one address in ASCII, an international domain in its encoded form."""
    if _PLAIN_ADDRESS.match(address):
        return address
    local, _, domain = address.rpartition("@")
    try:
        if not domain.isascii():
            address = f"{local}@{domain.encode('idna').decode('ascii')}"
        # Only a parser tells ``"a@b"@c``, which is one address, from ``a@b,c@d``, which would be two.
        parsed = Address(addr_spec=address)
        parsed.addr_spec.encode("ascii")
    except (ValueError, IndexError, HeaderParseError) as error:  # UnicodeError is a ValueError
        raise RecipientRefused(0, f"not one mail address that can be written in ASCII: {address!r}") from error
    if not parsed.username or not _PLAIN_DOMAIN.match(parsed.domain) or _UNSAFE.search(address):
        raise RecipientRefused(0, f"not one mail address that can be written in ASCII: {address!r}")
    return parsed.addr_spec
