"""Content codings: what unpacks, what is refused, and under which caps."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Sequence

import brotli
import pytest
import zstandard
from hypothesis import example, given, settings
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


def unpack(
    coding: str, packed: bytes, *, max_bytes: int = MIB, step: int = 1000, cuts: Sequence[int] = ()
) -> tuple[bytes, bool]:
    """Feeds pieces as long as ``cuts`` say, then pieces of ``step`` bytes."""
    decoder = BodyDecoder(coding, max_bytes)
    for cut in cuts:
        decoder.feed(packed[:cut])
        packed = packed[cut:]
    for start in range(0, len(packed), step):
        decoder.feed(packed[start : start + step])
    return decoder.finish()


@pytest.mark.parametrize("coding", PACKERS)
def test_every_coding_that_is_asked_for_unpacks(coding: str) -> None:
    assert unpack(coding, PACKERS[coding](TEXT)) == (TEXT, True)


@given(
    st.sampled_from(sorted(PACKERS)),
    st.one_of(st.binary(max_size=5000), st.builds(bytes.__mul__, st.binary(max_size=3), st.integers(0, 200_000))),
    st.lists(st.integers(0, 700), max_size=8),
    st.sampled_from([1, 2, 7, 1000, MIB]),
)
@example("Deflate", b"a" * 65_600, [], MIB)
@example("deflate", b"zlib", [], 1)
@example("br", bytes(1_000_000), [], MIB)
@settings(deadline=None)
def test_the_cut_into_packets_does_not_matter(coding: str, data: bytes, cuts: list[int], step: int) -> None:
    packed = PACKERS[coding](data)
    step = max(step, len(packed) // 2000)

    assert unpack(coding, packed, step=step) == (data, True)
    assert unpack(coding, packed, cuts=cuts) == (data, True)


@given(
    st.sampled_from(["gzip", "zstd"]),
    st.lists(st.one_of(st.binary(max_size=300), st.just(b"a" * 65_600)), min_size=1, max_size=5),
    st.lists(st.integers(0, 100), max_size=8),
    st.sampled_from([b"", b"\0", b"\0\0\0\0\0" + gzip.compress(b"not a member"), b"\x1f", b"\x28\xb5\x2f"]),
    st.sampled_from([1, 3, 1000]),
)
@settings(deadline=None)
def test_streams_that_follow_each_other_are_one_body_and_padding_is_dropped(
    coding: str, parts: list[bytes], cuts: list[int], padding: bytes, step: int
) -> None:
    """RFC 1952 2.2, RFC 8878 3.1."""
    packed = b"".join(PACKERS[coding](part) for part in parts) + padding

    assert unpack(coding, packed, step=step) == (b"".join(parts), True)
    assert unpack(coding, packed, cuts=cuts) == (b"".join(parts), True)


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_zstd_frames_with_data_for_somebody_else_are_skipped(step: int) -> None:
    pack = PACKERS["zstd"]
    skippable = b"\x5a\x2a\x4d\x18\x03\0\0\0abc"

    assert unpack("zstd", skippable + pack(b"one ") + skippable + pack(b"two"), step=step) == (b"one two", True)


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_a_body_of_thousands_of_streams_is_refused(coding: str) -> None:
    with pytest.raises(TooLarge, match="more than 1,000 pieces"):
        unpack(coding, PACKERS[coding](b"") * 1001)


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
