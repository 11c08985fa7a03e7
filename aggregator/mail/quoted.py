"""Quoted-printable (RFC 2045 6.7) with gaps: text that is encoded once and filled in often. Never knows what fills it.

A gap is fenced by soft line breaks, which a receiver takes out again. So whatever is put in stands on lines of its own
and no line grows beyond 76 characters, however long the line of text around it is. No line begins with a dot or ends
in a blank, and none ends otherwise than in CRLF: what comes out goes through SMTP as it is (RFC 5321 4.5.2).
"""

from __future__ import annotations

import re
from binascii import b2a_qp
from collections.abc import Collection

#: Bytes as they are, or the name of the gap where something else goes.
Piece = bytes | str

#: With the ``=`` of a soft break a line has 76 characters at most.
_ROOM = 75
_SOFT_BREAK = b"=\r\n"
#: A dot at the beginning of a line, which SMTP would ask to be doubled.
_DOT = b"=2E"


def encode_text(text: str, tokens: Collection[str]) -> tuple[Piece, ...]:
    """Encode ``text`` as UTF-8 with a gap, named by its token, wherever one of ``tokens`` stands.

    What goes into a gap has been through `encode_inline`. Line ends of any kind become CRLF; the last piece ends with
    one. Lone surrogates become "?".
    """
    text = end_lines(text)
    found = re.split(f"({'|'.join(map(re.escape, tokens))})", text) if tokens else [text]
    pieces: list[Piece] = []
    for number in range(0, len(found), 2):
        encoded, last = _encode_lines(found[number]), number == len(found) - 1
        # At a line's beginning or end no fence is needed.
        before = b"" if number == 0 or encoded.startswith(b"\r\n") or (last and not encoded) else _SOFT_BREAK
        after = b"\r\n" if last else b"" if not encoded or encoded.endswith(b"\r\n") else _SOFT_BREAK
        pieces += [before + encoded + after, *found[number + 1 : number + 2]]
    return tuple(pieces)


def end_lines(text: str) -> str:
    """End lines in CRLF, however they end; but the last one, which is ended by what follows the text."""
    return text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n").replace("\n", "\r\n")


def encode_inline(text: str) -> bytes:
    """Encode what goes into a gap: no line end within, soft breaks where it is long."""
    return _encode_line(text.encode("utf-8"))


def _encode_lines(text: str) -> bytes:
    return b"\r\n".join(map(_encode_line, text.encode("utf-8", "replace").split(b"\r\n")))


def _encode_line(line: bytes) -> bytes:
    """Encode one line and break it softly, never within an encoded octet."""
    encoded = b2a_qp(line, istext=False).replace(b"=\n", b"")
    if len(encoded) <= _ROOM and not encoded.startswith(b"."):
        return encoded
    pieces: list[bytes] = []
    while True:
        if encoded.startswith(b"."):
            encoded = _DOT + encoded[1:]
        if len(encoded) <= _ROOM:
            return _SOFT_BREAK.join((*pieces, encoded))
        end = _ROOM - 1 if encoded[_ROOM - 1] == 61 else _ROOM - 2 if encoded[_ROOM - 2] == 61 else _ROOM
        pieces.append(encoded[:end])
        encoded = encoded[end:]
