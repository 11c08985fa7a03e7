"""Signed tokens: good for one purpose and one id, and for nothing else."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import Signer

from aggregator.tokens import read_token, sign_token

KEY = b"k" * 32
PUBLIC_IDS = st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True)


@given(PUBLIC_IDS, st.sampled_from(["unsubscribe", "confirm", "preferences"]))
def test_a_token_reads_back(public_id: str, purpose: str) -> None:
    """What was signed is what is read, and the same every time."""
    token = sign_token(KEY, purpose, public_id)

    assert read_token(KEY, purpose, token) == public_id
    assert sign_token(KEY, purpose, public_id) == token


@given(PUBLIC_IDS, st.sampled_from(["unsubscribe", "confirm", "preferences", "letzte Ölung"]), st.binary(min_size=1))
def test_tokens_are_those_of_itsdangerous(public_id: str, purpose: str, key: bytes) -> None:
    """Links in mails that were sent long ago, when the library itself signed them, work for ever."""
    signer = Signer(key, salt=purpose, digest_method=hashlib.sha256, key_derivation="hmac")

    assert sign_token(key, purpose, public_id) == signer.sign(public_id).decode()


def test_a_token_needs_no_escaping_in_a_path() -> None:
    """It stands in links, in mail headers and in logs as it is."""
    token = sign_token(KEY, "unsubscribe", "Ab-_9")

    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


def test_every_flipped_bit_is_refused() -> None:
    """Each of the 8 bits of each byte, the two idle bits of the last base64 character among them."""
    token = sign_token(KEY, "unsubscribe", "abcdefghijklmnop").encode()

    for place in range(len(token)):
        for bit in range(8):
            forged = bytearray(token)
            forged[place] ^= 1 << bit
            assert read_token(KEY, "unsubscribe", forged.decode("latin-1")) is None


def test_another_purpose_or_key_is_refused() -> None:
    """A confirm link does not unsubscribe; another installation's link does nothing here."""
    token = sign_token(KEY, "confirm", "abc")

    assert read_token(KEY, "unsubscribe", token) is None
    assert read_token(b"j" * 32, "confirm", token) is None


def test_parts_of_two_tokens_do_not_make_a_third() -> None:
    """A signature belongs to its id."""
    one, other = sign_token(KEY, "confirm", "abc"), sign_token(KEY, "confirm", "abd")

    assert read_token(KEY, "confirm", "abd." + one.split(".")[1]) is None
    assert read_token(KEY, "confirm", other + one.split(".")[1]) is None


@given(st.text(max_size=300))
def test_anything_else_is_quietly_refused(token: str) -> None:
    """Whatever stands in the address: no error, no id."""
    assert read_token(KEY, "unsubscribe", token) is None


@pytest.mark.parametrize("public_id", ["", "a.b", "a/b", "ä", "a b", "a\n", "x" * 129])
def test_an_id_that_is_not_plain_is_a_bug(public_id: str) -> None:
    """Ids are random letters; anything else is signed by mistake."""
    with pytest.raises(ValueError, match="public id"):
        sign_token(KEY, "unsubscribe", public_id)
