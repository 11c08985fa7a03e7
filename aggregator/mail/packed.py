"""Base64 (RFC 2045 6.8) with gaps: text that is encoded once and filled in often. Never knows what fills it.

Three octets become four characters, so what fills a gap is encoded together with the one or two octets at either side
that would not come out even without it; where they lie depends on how long it is. Of Japanese this is smaller than
quoted-printable; of English it is larger.
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Mapping

from aggregator.mail.quoted import Piece, end_lines

#: Parts of what fills a gap: octets as they are, and the token for the reader's own words.
Filling = tuple[Piece, ...]

#: Characters of a line.
_LINE = 76


def pack_text(text: str, sizes: Mapping[str, int], prefix: str) -> tuple[tuple[Piece, ...], dict[str, Filling]]:
    """Encode ``text`` as UTF-8 with a gap wherever one of the tokens stands whose ``sizes`` are given, in octets.

    The gaps' names begin with ``prefix``; each is filled with its filling, joined and packed by `pack`. Line ends and
    lone surrogates become what `quoted.encode_text` makes of them.
    """
    found = re.split(f"({'|'.join(map(re.escape, sizes))})", end_lines(text)) if sizes else [end_lines(text)]
    pieces: list[Piece] = []
    fillings: dict[str, Filling] = {}
    filling: list[Piece] = []
    size = 0
    for number in range(0, len(found), 2):
        octets, last = found[number].encode("utf-8", "replace"), number == len(found) - 1
        if filling:
            missing = -size % 3
            filling.append(octets[:missing])
            size, octets = size + len(octets[:missing]), octets[missing:]
            if last or size % 3 == 0:  # else there is too little between two tokens: they share a gap
                name = f"{prefix} {number}"
                fillings[name] = tuple(filling)
                pieces.append(name)
                filling, size = [], 0
        if not filling:
            end = len(octets) if last else len(octets) // 3 * 3
            pieces.append(pack(octets[:end]))
            filling, size = [octets[end:]], len(octets) - end
        if not last:
            filling.append(found[number + 1])
            size += sizes[found[number + 1]]
    return tuple(pieces), fillings


def pack(octets: bytes) -> bytes:
    """Lines of base64, each ended; none for nothing."""
    encoded = b2a_base64(octets, newline=False)
    return b"".join([encoded[start : start + _LINE] + b"\r\n" for start in range(0, len(encoded), _LINE)])
