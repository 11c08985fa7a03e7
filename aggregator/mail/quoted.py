"""Quoted-printable (RFC 2045 6.7) with gaps: text that is encoded once and filled in often. Never knows what fills it.

A gap is fenced by soft line breaks, which a receiver takes out again. So whatever is put in stands on lines of its own
and no line grows beyond 76 characters, however long the line of text around it is.
"""

from __future__ import annotations

from binascii import b2a_qp

#: With the ``=`` of a soft break a line has 76 characters at most.
_ROOM = 75
_SOFT_BREAK = b"=\r\n"


def encode_text(text: str, token: str) -> tuple[bytes, ...]:
    """Encode ``text`` as UTF-8, cut where ``token`` stands: join the pieces with `encode_inline` of what goes there.

    Line ends of any kind become CRLF; the last piece ends with one. Lone surrogates become "?".
    """
    pieces = text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n").replace("\n", "\r\n").split(token)
    encoded = [_encode_lines(piece) for piece in pieces]
    for number, piece in enumerate(encoded):
        last = number == len(encoded) - 1
        # At a line's beginning or end no fence is needed.
        before = b"" if number == 0 or piece.startswith(b"\r\n") or (last and not piece) else _SOFT_BREAK
        after = b"\r\n" if last else b"" if not piece or piece.endswith(b"\r\n") else _SOFT_BREAK
        encoded[number] = before + piece + after
    return tuple(encoded)


def encode_inline(text: str) -> bytes:
    """Encode what goes into a gap: no line end within, soft breaks where it is long."""
    return _break_line(b2a_qp(text.encode("utf-8"), istext=False).replace(b"=\n", b""))


def _encode_lines(text: str) -> bytes:
    lines = text.encode("utf-8", "replace").split(b"\r\n")
    return b"\r\n".join(_break_line(b2a_qp(line, istext=False).replace(b"=\n", b"")) for line in lines)


def _break_line(line: bytes) -> bytes:
    """Break one encoded line softly, never within an encoded octet."""
    if len(line) <= _ROOM:
        return line
    pieces: list[bytes] = []
    start = 0
    while len(line) - start > _ROOM:
        end = start + _ROOM
        if line[end - 1 : end] == b"=":
            end -= 1
        elif line[end - 2 : end - 1] == b"=":
            end -= 2
        pieces.append(line[start:end])
        start = end
    return _SOFT_BREAK.join((*pieces, line[start:]))
