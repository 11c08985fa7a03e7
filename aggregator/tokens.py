"""Signed addresses: proof that we made a link, for one purpose and one subscription. Never stores or expires anything.

A token is ``PUBLIC_ID.SIGNATURE``. The public id is random and opaque, so it may be read by everybody; the signature
(HMAC-SHA256, key derived per purpose, as itsdangerous' Signer writes it) says that we wrote it. Expiry belongs to the
row that the public id names, not to the token: an unsubscribe link must work for ever.
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from functools import lru_cache

_PUBLIC_ID = re.compile(r"[A-Za-z0-9_-]{1,128}\Z")
#: Longer than any token of ours; what is longer is not even looked at.
_MAX_LENGTH = 256


def sign_token(key: bytes, purpose: str, public_id: str) -> str:
    """Return a token for ``public_id``, good for ``purpose`` ("unsubscribe", "confirm") only and safe in a URL path.

    Raises ValueError when the id is not made of letters, digits, ``-`` and ``_``: a bug in the caller.
    """
    if not _PUBLIC_ID.match(public_id):
        raise ValueError(f"a public id is made of letters, digits, '-' and '_', not {public_id!r}")
    # One call of OpenSSL: 3 us, where a Signer object takes 15; an issue needs two a mail.
    signature = urlsafe_b64encode(hmac.digest(_derive(key, purpose), public_id.encode("ascii"), "sha256"))
    return f"{public_id}.{signature.rstrip(b'=').decode('ascii')}"


@lru_cache(maxsize=16)
def _derive(key: bytes, purpose: str) -> bytes:
    return hmac.digest(key, purpose.encode("utf-8"), "sha256")


def read_token(key: bytes, purpose: str, token: str) -> str | None:
    """Return the public id of a token that we signed for ``purpose``, or None for everything else."""
    if len(token) > _MAX_LENGTH or not token.isascii():
        return None
    public_id, _, _ = token.rpartition(".")
    if not _PUBLIC_ID.match(public_id):
        return None
    # Signed again and compared whole, in constant time: the last base64 character of a signature holds two bits that
    # decoding would ignore.
    expected = sign_token(key, purpose, public_id)
    return public_id if hmac.compare_digest(expected.encode("ascii"), token.encode("ascii")) else None
