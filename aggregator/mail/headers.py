"""Text and addresses as they may stand in a mail header (RFC 5322, 2047, 6532 left out). Never builds a mail.

What cannot stand there is refused, not repaired: whoever hands it in has cleaned it, or is told.
"""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from email.errors import HeaderParseError
from email.header import Header
from email.headerregistry import Address
from email.utils import getaddresses
from functools import cache

from aggregator.errors import RecipientRefused, SenderRefused

#: Nothing that ends a header line, hides in one or turns its direction; nor an encoded word, which Python's own mail
#: package would decode while it folds a header (CVE-2024-6923).
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]|=\\?")
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_PLAIN_ADDRESS = re.compile(rf"(?=.{{1,64}}@.{{1,253}}\Z)(?!.*=\?){_ATEXT}(\.{_ATEXT})*@{_LABEL}(\.{_LABEL})*\Z")
_DOMAIN = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*\Z")
#: Safe as it is in a header, in HTML and in text alike: no quotes, ampersands, angle brackets or spaces.
SAFE_URL = re.compile(r"https?://[A-Za-z0-9._~:/?#\[\]@!$()*+,;=%-]{1,900}\Z")
#: A bare phrase needs no quotes when it is made of these (RFC 5322 atext and spaces).
_PLAIN_PHRASE = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+\Z")
#: RFC 5321 4.5.3.1: octets before the @, and of all that stands between the brackets of a path.
_MAX_LOCAL, _MAX_ADDRESS = 64, 254


def check_text(name: str, value: str) -> str:
    """Return ``value`` when it may stand in a header. Raises SenderRefused, naming the header."""
    found = _UNSAFE.search(value)
    if found:
        raise SenderRefused(0, f"{name} holds {found[0]!a}, which may not stand in a mail header: {value!a}")
    return value


def check_url(name: str, url: str) -> str:
    """Return a web address when it may stand in a header. Raises SenderRefused, naming the header."""
    if not SAFE_URL.match(url):
        raise SenderRefused(0, f"{name}: this address cannot stand in a mail header: {url!a}")
    return url


def format_words(name: str, value: str) -> str:
    """Return text as the value of a header, folded; encoded words (RFC 2047) when it is not ASCII."""
    # A row of blanks could be folded into a line of its own, which some servers take for the end of the headers.
    value = re.sub(" +", " ", check_text(name, value).strip())
    charset = "us-ascii" if value.isascii() and max(map(len, value.split()), default=0) < 70 else "utf-8"
    return Header(value, charset, maxlinelen=76, header_name=name).encode(linesep="\r\n")


def format_mailbox(name: str, phrase: str, bracketed: str) -> str:
    """Return ``phrase <address>``: the phrase quoted or encoded as it needs, the address never touched."""
    check_text(name, bracketed)
    if not phrase.strip():
        return bracketed
    if check_text(name, phrase).isascii() and len(phrase) < 70:
        quoted = phrase if _PLAIN_PHRASE.match(phrase) else '"' + re.sub(r'(["\\])', r"\\\1", phrase) + '"'
        folded = f"{quoted} {bracketed}"
        return folded if len(name) + len(folded) < 76 else f"{quoted}\r\n {bracketed}"
    encoded = Header(phrase, "utf-8", maxlinelen=76, header_name=name).encode(linesep="\r\n")
    return f"{encoded}\r\n {bracketed}"


def read_mailbox(name: str, mailbox: str) -> tuple[str, str]:
    """Return (name, address) of a mailbox that the editor wrote. Raises SenderRefused, naming the header."""
    found = getaddresses([check_text(name, mailbox)])  # not parseaddr: of two addresses older Pythons take the first
    phrase, address = found[0] if len(found) == 1 else ("", "")
    try:
        return phrase, read_address(address)
    except RecipientRefused as error:
        raise SenderRefused(0, f"{name} is not one mail address: {mailbox!r}") from error


def is_domain(domain: str) -> bool:
    """Whether it is a domain name as it stands in a mail: ASCII, no dot at its end."""
    return bool(_DOMAIN.match(domain))


def read_address(address: str) -> str:
    """Return one address in ASCII, an international domain in its encoded form. Raises RecipientRefused."""
    if _PLAIN_ADDRESS.match(address) and len(address) <= _MAX_ADDRESS:
        return address
    if _UNSAFE.search(address) or not address.isprintable():
        raise RecipientRefused(0, f"not one mail address: it holds a control character or an encoded word: {address!a}")
    local, _, domain = address.rpartition("@")
    if not local.isascii():  # SMTPUTF8 (RFC 6531) is offered by too few servers on the way
        raise RecipientRefused(0, f"before the @ of a mail address only ASCII can be written: {address!a}")
    try:
        if not domain.isascii():
            address = f"{local}@{_encode_domain(domain)}"
        # Only a parser tells ``"a@b"@c``, which is one address, from ``a@b,c@d``, which would be two.
        parsed = Address(addr_spec=address)
        written = parsed.addr_spec
        written.encode("ascii")
    except (ValueError, IndexError, HeaderParseError) as error:  # UnicodeError is a ValueError
        raise RecipientRefused(0, f"not one mail address: {address!a}") from error
    if not parsed.username or not is_domain(parsed.domain):
        raise RecipientRefused(0, f"not one mail address: {address!a}")
    # As it is written: quotes count.
    if len(written.rpartition("@")[0]) > _MAX_LOCAL or len(written) > _MAX_ADDRESS:
        raise RecipientRefused(0, f"longer than a mail address may be ({_MAX_LOCAL} before the @): {address!a}")
    return written


def _encode_domain(domain: str) -> str:
    """As registries do today (IDNA 2008): Python's own codec sends mail for straße.example to strasse.example."""
    import idna

    return idna.encode(domain, uts46=True).decode("ascii")


#: What CVE-2024-6923 makes of such a title on a Python that has it: a second header, with a second recipient.
_HOSTILE = "=?utf-8?q?a=0ABcc:_v=40x?="


@cache
def prove_headers() -> None:
    """Once a process: a title that tries to become a header stays a title, also where the mail is written anew.

    Raises SenderRefused: then no mail of this process may leave.
    """
    for title in (_HOSTILE, _HOSTILE.replace("=?", "= ?"), f"\u9031\u520a {_HOSTILE.replace('=?', '= ?')}"):
        try:
            value = format_words("Subject", title)
        except SenderRefused:
            continue
        received = message_from_bytes(f"Subject: {value}\r\nTo: a@b.example\r\n\r\n".encode(), policy=policy.SMTP)
        again = message_from_bytes(received.as_bytes(), policy=policy.SMTP)
        for mail in (received, again):
            if mail.keys() != ["Subject", "To"] or mail["Subject"] != title:
                raise SenderRefused(
                    0, f"a title can become a header of its own here (CVE-2024-6923), no mail is made: {mail.keys()}"
                )
