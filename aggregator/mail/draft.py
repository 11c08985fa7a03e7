"""A mail as it is composed: headers in their order, then text and HTML, each in the encoding in which it is smaller.
Never knows whom it goes to: what is personal is a gap.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import quote

from aggregator.mail.dkim import Header, PreparedSignature, Signer, join_neighbours
from aggregator.mail.headers import check_url, format_mailbox, read_mailbox
from aggregator.mail.packed import Filling, pack, pack_text
from aggregator.mail.quoted import Piece, encode_inline, encode_text

#: Gaps of every mail.
TO, DATE, MESSAGE_ID, WAYS_OUT = "to", "date", "message id", "ways out"

#: Makes what fills a gap of the body out of what the tokens stand for.
Fill = Callable[[Mapping[str, str]], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A mail's bytes with their gaps, good for values of certain lengths."""

    pieces: tuple[Piece, ...] = field(repr=False)
    #: By the names of the body's gaps.
    fills: Mapping[str, Fill]
    signature: PreparedSignature | None

    def write(self, gaps: dict[str, bytes], values: Mapping[str, str], *, seconds: int) -> bytes:
        """The mail whose headers' gaps are filled with ``gaps``, its tokens with ``values``, signed at that time."""
        for name, fill in self.fills.items():
            gaps[name] = fill(values)
        pieces = [piece if isinstance(piece, bytes) else gaps[piece] for piece in self.pieces]
        if self.signature is not None:
            pieces.insert(0, self.signature.make(gaps, seconds=seconds))
        return b"".join(pieces)


class Draft:
    """A mail that is complete but for what is personal."""

    def __init__(self, *, text: str, html: str, seed: str) -> None:
        """``html``: empty for a mail of text alone. ``seed``: what the boundary between the parts is derived from."""
        self._headers: list[Header] = []
        self._parts = (("plain", text), ("html", html)) if html else (("plain", text),)
        # Neither encoding writes "=_": no boundary can stand in a part.
        self._boundary = "=_" + sha256(seed.encode("utf-8", "replace")).hexdigest()[:32]

    def add(self, name: str, value: str) -> None:
        self._headers.append((name, (value.encode("ascii"),)))

    def add_gap(self, name: str, gap: str) -> None:
        self._headers.append((name, (gap,)))

    def add_people(self, sender: str, reply_to: str) -> None:
        """Who writes, who is answered, and the gap for who reads."""
        for name, mailbox in (("From", sender), ("Reply-To", reply_to)):
            if mailbox:
                phrase, address = read_mailbox(name, mailbox)
                self.add(name, format_mailbox(name, phrase, f"<{address}>"))
        self.add_gap("To", TO)

    def add_list(self, owner: str, *, archive_url: str, help_url: str, subscribe_url: str) -> None:
        """Where the list's own pages are, and that nobody writes to it (RFC 2369)."""
        write_to = "mailto:" + quote(owner, safe="@!$'*+-./_~=")
        for name, url in (
            ("List-Archive", archive_url and check_url("List-Archive", archive_url)),
            ("List-Help", check_url("List-Help", help_url) if help_url else f"{write_to}?subject=help"),
            ("List-Owner", write_to),
            ("List-Subscribe", subscribe_url and check_url("List-Subscribe", subscribe_url)),
        ):
            if url:
                self.add(name, f"<{url}>")
        self.add("List-Post", "NO")

    def add_automatic(self) -> None:
        """That no robot shall answer (RFC 3834; the second is Microsoft's)."""
        self.add("Auto-Submitted", "auto-generated")
        self.add("X-Auto-Response-Suppress", "OOF, AutoReply")

    def add_mime(self) -> None:
        """The last headers."""
        self.add("MIME-Version", "1.0")
        if len(self._parts) == 1:
            encoding, _, _ = _encode_part(*self._parts[0], {})
            self.add("Content-Type", 'text/plain; charset="utf-8"')
            self.add("Content-Transfer-Encoding", encoding)
            return
        self.add("Content-Type", f'multipart/alternative;\r\n boundary="{self._boundary}"')

    def lay_out(self, sizes: Mapping[str, int], signer: Signer | None) -> Layout:
        """Join what is fixed; ``sizes``: how long the values are, in octets, that will stand for the body's tokens."""
        fills: dict[str, Fill] = {}
        body: list[Piece] = []
        if len(self._parts) == 1:  # without tokens: nobody's own addresses stand in it
            return self._join(list(_encode_part(*self._parts[0], {})[1]), fills, signer)
        for subtype, content in self._parts:  # of alternatives the last is the best (RFC 2046 5.1.4)
            encoding, pieces, more = _encode_part(subtype, content, sizes)
            body += [
                f'--{self._boundary}\r\nContent-Type: text/{subtype}; charset="utf-8"\r\n'
                f"Content-Transfer-Encoding: {encoding}\r\n\r\n".encode("ascii"),
                *pieces,
            ]
            fills |= more
        body.append(f"--{self._boundary}--\r\n".encode("ascii"))
        return self._join(body, fills, signer)

    def _join(self, body: Sequence[Piece], fills: Mapping[str, Fill], signer: Signer | None) -> Layout:
        headers: list[Piece] = []
        for name, value in self._headers:
            headers += [f"{name}: ".encode("ascii"), *value, b"\r\n"]
        joined = join_neighbours(body)
        return Layout(
            pieces=join_neighbours([*headers, b"\r\n", *joined]),
            fills=fills,
            signature=signer.prepare(self._headers, joined) if signer else None,
        )


def _encode_part(
    subtype: str, content: str, sizes: Mapping[str, int]
) -> tuple[str, Sequence[Piece], Mapping[str, Fill]]:
    """Name of the encoding, pieces, and how their gaps are filled."""
    quoted = encode_text(content, sizes)
    packed, fillings = pack_text(content, sizes, subtype)
    if _measure(packed) < _measure(quoted):
        return "base64", packed, {name: _make_packed(filling) for name, filling in fillings.items()}
    return "quoted-printable", quoted, {token: _make_quoted(token) for token in sizes if token in quoted}


def _measure(pieces: Sequence[Piece]) -> int:
    return sum(len(piece) for piece in pieces if isinstance(piece, bytes))


def _make_quoted(token: str) -> Fill:
    return lambda values: encode_inline(values[token])


def _make_packed(filling: Filling) -> Fill:
    return lambda values: pack(
        b"".join([part if isinstance(part, bytes) else values[part].encode("ascii") for part in filling])
    )
