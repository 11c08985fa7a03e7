"""Content codings: what unpacks, what is refused, and under which caps."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import brotli  # type: ignore[import-untyped]
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from aggregator.fetch.decode import BadCoding, BodyDecoder, TooLarge, find_coding

MIB = 1024 * 1024
TEXT = b"<rss>" + bytes(range(256)) * 40 + b"</rss>"


def deflate_raw(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "Deflate": deflate_raw,
    "br": lambda data: brotli.compress(data, quality=5),
    "zstd": zstandard.ZstdCompressor().compress,
    "identity": bytes,
    "": bytes,
}


def unpack(coding: str, packed: bytes, *, max_bytes: int = MIB, step: int = 1000) -> tuple[bytes, bool]:
    decoder = BodyDecoder(coding, max_bytes)
    for start in range(0, len(packed), step):
        decoder.feed(packed[start : start + step])
    return decoder.finish()


@pytest.mark.parametrize("coding", PACKERS)
def test_every_coding_that_is_asked_for_unpacks(coding: str) -> None:
    assert unpack(coding, PACKERS[coding](TEXT)) == (TEXT, True)


@given(st.sampled_from(sorted(PACKERS)), st.binary(max_size=5000), st.integers(2, 700))
def test_the_cut_into_packets_does_not_matter(coding: str, data: bytes, step: int) -> None:
    packed = PACKERS[coding](b"<" + data)

    assert unpack(coding, packed, step=step) == (b"<" + data, True)


def test_gzip_of_several_members_is_one_body_and_padding_after_it_is_dropped() -> None:
    assert unpack("gzip", gzip.compress(b"one ") + gzip.compress(b"two") + b"\0\0\0") == (b"one two", True)


def test_only_a_declared_coding_is_unpacked() -> None:
    """RFC 9110 8.4: what is not said is not guessed; the parser then says what such bytes are."""
    packed = gzip.compress(TEXT)

    assert unpack("", packed) == (packed, True)


@pytest.mark.parametrize("header", ["gzip, gzip", "gzip,br", "compress", "aes128gcm", ",".join(["gzip"] * 20), "\0"])
def test_more_than_one_layer_or_an_unknown_one_is_refused(header: str) -> None:
    with pytest.raises(BadCoding):
        find_coding(header)


def test_identity_beside_a_coding_counts_as_nothing() -> None:
    assert find_coding("identity, gzip, ") == "gzip"


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a_body_that_is_not_packed_as_said_is_refused(coding: str) -> None:
    with pytest.raises(BadCoding, match="is not the"):
        unpack(coding, b"<?xml version='1.0'?><rss>" + b"not packed " * 500)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
@pytest.mark.parametrize("max_bytes", [MIB // 2, 100 * MIB])
def test_a_bomb_is_stopped_by_the_cap_or_by_its_growth(coding: str, max_bytes: int) -> None:
    packed = PACKERS[coding](bytes(64 * MIB))
    decoder = BodyDecoder(coding, max_bytes)

    with pytest.raises(TooLarge):
        for start in range(0, len(packed), 64 * 1024):
            decoder.feed(packed[start : start + 64 * 1024])

    assert decoder.decoded_bytes <= min(max_bytes, 33 * MIB) + 2 * MIB


def test_a_body_of_exactly_the_cap_is_accepted_and_one_byte_more_is_not() -> None:
    assert unpack("", b"x" * 5000, max_bytes=5000)[0] == b"x" * 5000
    with pytest.raises(TooLarge, match="larger than 5,000 bytes"):
        unpack("", b"x" * 5001, max_bytes=5000)
    with pytest.raises(TooLarge, match="unpacks to more than 5,000 bytes"):
        unpack("gzip", gzip.compress(b"x" * 5001), max_bytes=5000)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_of_a_truncated_body_what_unpacks_is_kept_and_marked(coding: str) -> None:
    text = b"".join(b"<item>%d</item>" % (n * n * 7919) for n in range(20_000))
    packed = PACKERS[coding](text)

    body, complete = unpack(coding, packed[: len(packed) * 3 // 4])

    assert not complete
    assert text.startswith(body)
    assert len(body) > len(text) // 4
