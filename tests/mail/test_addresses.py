"""Return paths: each reads back, none can be made by anybody else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.errors import SenderRefused
from aggregator.mail.addresses import (
    MAX_BASE_LOCAL,
    delivery_address,
    letter_address,
    read_return_address,
    unsubscribe_address,
)
from aggregator.mail.headers import read_address

KEY = b"k" * 32
BASE = "b@bounce.example.org"
MAKERS = {"delivery": delivery_address, "letter": letter_address, "unsubscribe": unsubscribe_address}
IDS = st.integers(1, 2**63 - 1)
KINDS = st.sampled_from(sorted(MAKERS))


@given(KINDS, IDS, st.from_regex(rf"[a-z0-9._-]{{1,{MAX_BASE_LOCAL}}}", fullmatch=True))
def test_what_is_made_is_read(kind: str, number: int, local: str) -> None:
    """Whatever the row, in whatever case it comes back; never over 64 characters before the @."""
    address = MAKERS[kind](KEY, f"{local}@bounce.example.org", number)

    assert len(address.rpartition("@")[0]) <= 64
    assert address == address.lower()
    assert read_return_address(KEY, address) == (kind, number)
    assert read_return_address(KEY, address.upper()) == (kind, number)
    assert read_return_address(KEY, address.title()) == (kind, number)


def test_the_shape_is_what_the_page_on_bounces_says() -> None:
    """One letter, the row, sixteen characters of proof; a mail may go there."""
    address = delivery_address(KEY, "B@Bounce.Example.org", 17)

    assert address == "b+d17-plufxzt2d44chgld@bounce.example.org"
    assert read_address(address) == address
    assert letter_address(KEY, BASE, 17).startswith("b+l17-")
    assert unsubscribe_address(KEY, BASE, 17).startswith("b+u17-")


@given(KINDS, IDS)
def test_every_flipped_bit_is_refused(kind: str, number: int) -> None:
    """Each bit of kind, number and proof; but for the bit that is only a letter's case."""
    address = MAKERS[kind](KEY, BASE, number)
    local, _, domain = address.partition("@")

    for place in range(2, len(local)):
        for bit in range(8):
            forged = bytearray(local.encode("ascii"))
            forged[place] ^= 1 << bit
            changed = forged.decode("latin-1")
            if changed.lower() != local:
                assert read_return_address(KEY, f"{changed}@{domain}") is None


def test_a_proof_is_good_for_one_thing() -> None:
    """Not for another row, another kind or another machine's key."""
    delivery = delivery_address(KEY, BASE, 17)

    assert read_return_address(b"j" * 32, delivery) is None
    assert read_return_address(KEY, delivery.replace("+d", "+u")) is None
    assert read_return_address(KEY, delivery.replace("+d17", "+d18")) is None
    assert read_return_address(KEY, delivery.replace("+d17", "+d017")) is None


@pytest.mark.parametrize(
    "address",
    [
        "", "@", "b@bounce.example.org", "b+d17@bounce.example.org", "b+d17-@bounce.example.org", "someone@example.net",
        "b+d99999999999999999999-aaaaaaaaaaaaaaaa@b.example", "b+d9999999999999999999-aaaaaaaaaaaaaaaa@b.example",
        "b+d0-aaaaaaaaaaaaaaaa@b.example", "b+d١٧-aaaaaaaaaaaaaaaa@b.example", "\u212a" * 20, "b+d17-" + "a" * 400,
        "b+d17-aaaaaaaaaaaaaaaa@b.example\n",
    ],
    ids=ascii,
)  # fmt: skip
def test_foreign_addresses_are_none_of_ours(address: str) -> None:
    """Whatever stands in the To of a mail that comes in."""
    assert read_return_address(KEY, address) is None


@given(st.text(max_size=80))
def test_any_text_may_be_asked_about(text: str) -> None:
    """Never an error, never ours."""
    assert read_return_address(KEY, text) is None


@pytest.mark.parametrize(
    "base",
    ["", "nobody", "b c@x.example", "x" * (MAX_BASE_LOCAL + 1) + "@x.example", "b+1@x.example", "bücher@x.example"],
)
def test_a_base_that_makes_no_addresses_is_named(base: str) -> None:
    """The editor's own mistake: the key's name is in the line."""
    with pytest.raises(SenderRefused, match=r"mail\.bounces\.address"):
        delivery_address(KEY, base, 1)


def test_rows_are_numbered_from_one() -> None:
    """Anything else is a bug in the caller."""
    for number in (0, -1, 2**63):
        with pytest.raises(ValueError, match="no row"):
            delivery_address(KEY, BASE, number)
