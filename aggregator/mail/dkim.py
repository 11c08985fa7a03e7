"""DKIM signatures (RFC 6376): rsa-sha256, relaxed/relaxed, by OpenSSL. Never reads a key file, never looks at DNS.

A mail whose bytes are known but for a few gaps is brought into its canonical form once. For each recipient the gaps
are filled, the body is hashed from the first gap on, and one RSA operation is done. There is no ``l=``: what is added
to a mail breaks the signature. Ed25519 (RFC 8463) is left out on purpose: large receivers do not verify it, so that
it would be a second signature beside this one.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aggregator.errors import SenderRefused
from aggregator.mail.headers import is_domain
from aggregator.mail.quoted import Piece
from aggregator.model.settings import DkimSettings

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

#: RFC 8301 3.2, and what Gmail and Yahoo ask of whoever sends much.
MIN_KEY_BITS = 2048
#: Signed once more than they are there: a second one that is added on the way breaks the signature (RFC 6376 8.15).
OVERSIGNED = ("From", "Subject", "To", "List-Unsubscribe", "List-Unsubscribe-Post")

_BLANKS = re.compile(rb"[ \t]+")
_BLANKS_AT_END = re.compile(rb"[ \t]+\r\n")
_SELECTOR = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\Z")
_LINE = 72

#: A header's name, and its value as it is written.
Header = tuple[str, tuple[Piece, ...]]


def build_signer(settings: DkimSettings | None) -> Signer | None:
    """Return who signs, None when nobody shall. Raises SenderRefused for a key that cannot sign, naming it."""
    return None if settings is None else Signer(settings)


class Signer:
    """A private key and the name under which its public half is found in DNS."""

    def __init__(self, settings: DkimSettings) -> None:
        """Raises SenderRefused, naming the key, when receivers would not take its signatures."""
        if not is_domain(settings.domain) or not _SELECTOR.match(settings.selector):
            raise SenderRefused(0, f"mail.dkim: no DNS name: {settings.selector!r} at {settings.domain!r}")
        self.domain = settings.domain
        self.selector = settings.selector
        self._sign = _make_sign(_load_key(settings.key_pem, f"{settings.selector}._domainkey.{settings.domain}"))

    def prepare(self, headers: Sequence[Header], body: Sequence[Piece]) -> PreparedSignature:
        """Do all that is the same for every recipient.

        ``body`` begins and ends with bytes; what fills its gaps is canonical as it is: not empty, no blank at either
        end, no run of blanks within.
        """
        names = [name for name, _ in headers]
        signed = names + [name for name in OVERSIGNED if name in names]
        start = f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={self.domain};\r\n s={self.selector}; t="
        middle = f";\r\n h={_fold_names(signed)};\r\n bh="
        fixed = canonicalise_headers(headers)
        first, *rest = canonicalise_body(body)
        begun = hashlib.sha256(first if isinstance(first, bytes) else b"")
        return PreparedSignature(
            sign=self._sign,
            begun_body=begun,
            rest_of_body=tuple(rest),
            headers=fixed,
            start=start.encode("ascii"),
            middle=middle.encode("ascii"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedSignature:
    """A signature with everything done that does not depend on the recipient. Made by `Signer.prepare`."""

    sign: Callable[[bytes], bytes] = field(repr=False)
    #: Hash of the canonical body up to its first gap; never updated, only copied.
    begun_body: hashlib._Hash = field(repr=False)
    rest_of_body: tuple[Piece, ...] = field(repr=False)
    #: Canonical, in the order in which they are signed.
    headers: tuple[Piece, ...] = field(repr=False)
    start: bytes
    middle: bytes

    def make(self, gaps: Mapping[str, bytes], *, seconds: int) -> bytes:
        """Return the DKIM-Signature header, its line end included, of the mail whose gaps are filled so."""
        hashed = self.begun_body.copy()
        hashed.update(b"".join([piece if isinstance(piece, bytes) else gaps[piece] for piece in self.rest_of_body]))
        header = b"%b%d%b%b;\r\n b=" % (self.start, seconds, self.middle, b64encode(hashed.digest()))
        signed = [piece if isinstance(piece, bytes) else tidy_value(gaps[piece]) for piece in self.headers]
        name, _, value = header.partition(b":")
        signature = b64encode(self.sign(b"%b%b:%b" % (b"".join(signed), name.lower(), tidy_value(value))))
        lines = [signature[start : start + _LINE] for start in range(0, len(signature), _LINE)]
        return b"%b%b\r\n" % (header, b"\r\n ".join(lines))


def canonicalise_headers(headers: Iterable[Header]) -> tuple[Piece, ...]:
    """Bring headers into the relaxed form (RFC 6376 3.4.2); what fills a gap goes through `tidy_value` by itself.

    A gap is a whole value or has no blank beside it.
    """
    pieces: list[Piece] = []
    for name, value in headers:
        pieces.append(f"{name.lower()}:".encode("ascii"))
        for number, piece in enumerate(value):
            if isinstance(piece, bytes):
                piece = _BLANKS.sub(b" ", piece.replace(b"\r\n", b""))
                piece = piece.lstrip() if number == 0 else piece
                piece = piece.rstrip() if number == len(value) - 1 else piece
            pieces.append(piece)
        pieces.append(b"\r\n")
    return join_neighbours(pieces)


def tidy_value(value: bytes) -> bytes:
    """Return a header's whole value in the relaxed form."""
    return _BLANKS.sub(b" ", value.replace(b"\r\n", b"")).strip()


def canonicalise_body(body: Sequence[Piece]) -> tuple[Piece, ...]:
    """Bring a body into the relaxed form (RFC 6376 3.4.4), piece by piece; joined it is that of the joined body."""
    pieces: list[Piece] = [
        _BLANKS.sub(b" ", _BLANKS_AT_END.sub(b"\r\n", piece)) if isinstance(piece, bytes) else piece for piece in body
    ]
    last = pieces[-1] if pieces else b""
    if isinstance(last, bytes):
        pieces[-1:] = [last.rstrip(b"\r\n") + b"\r\n"] if len(pieces) > 1 or last.strip(b"\r\n") else []
    return tuple(pieces)


def join_neighbours(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    """Join fixed pieces that follow each other: fewer of them for every recipient."""
    joined: list[Piece] = []
    for piece in pieces:
        if joined and isinstance(piece, bytes) and isinstance(before := joined[-1], bytes):
            joined[-1] = before + piece
        else:
            joined.append(piece)
    return tuple(joined)


def _fold_names(names: Sequence[str]) -> str:
    lines = [""]
    for number, name in enumerate(names):
        word = name if number == len(names) - 1 else f"{name}:"
        if len(lines[-1]) + len(word) > _LINE:
            lines.append("")
        lines[-1] += word
    return "\r\n  ".join(lines)


def _make_sign(key: RSAPrivateKey) -> Callable[[bytes], bytes]:
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    padding, algorithm = PKCS1v15(), SHA256()
    return lambda data: key.sign(data, padding, algorithm)


def _load_key(pem: bytes, name: str) -> RSAPrivateKey:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError as error:  # what it raises for a password that is missing
        raise SenderRefused(0, f"mail.dkim: the key of {name} is locked with a password") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SenderRefused(0, f"mail.dkim: the key of {name} is no private key in PEM form") from error
    if not isinstance(key, RSAPrivateKey):
        kind = type(key).__name__.strip("_").removesuffix("PrivateKey")
        raise SenderRefused(0, f"mail.dkim: the key of {name} must be an RSA key, this is {kind}")
    if key.key_size < MIN_KEY_BITS:
        raise SenderRefused(
            0, f"mail.dkim: the key of {name} has {key.key_size} bits; receivers ask for {MIN_KEY_BITS} or more"
        )
    return key
