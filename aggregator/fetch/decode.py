"""Content codings taken off as the bytes come, under caps. One layer only (RFC 9110 8.4). Never touches the network."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Protocol

#: A document may grow this many times when its coding is taken off, once it is beyond `RATIO_FREE_BYTES`.
MAX_RATIO = 200
RATIO_FREE_BYTES = 1024 * 1024

ACCEPT_ENCODING = "gzip, deflate, br, zstd"

_PIECE_BYTES = 64 * 1024
#: One zstd block of 4 bytes may hold 128 KiB, and the library knows no output limit: so it gets little at a time.
_ZSTD_BYTES = 64
_ZSTD_WINDOW = 8 * 1024 * 1024
_GZIP_MAGIC = b"\x1f\x8b"


class BadCoding(Exception):
    """The coding is unknown, doubled or broken; the text goes on from "the answer ..."."""


class TooLarge(Exception):
    """The document is over a cap; the text goes on from "the answer ..."."""


class _Coding(Protocol):
    """Takes one coding off, in pieces small enough for the caps to be checked between them."""

    def unpack(self, data: bytes) -> Iterator[bytes]: ...

    @property
    def complete(self) -> bool: ...


class BodyDecoder:
    """Collects one body. ``max_bytes`` caps both what comes over the wire and what it unpacks to."""

    def __init__(self, content_encoding: str, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._name = find_coding(content_encoding)
        self._coding: _Coding | None = None
        self._parts: list[bytes] = []
        self.read_bytes = 0
        self.decoded_bytes = 0

    def feed(self, data: bytes) -> None:
        """Takes the next bytes of the wire. Raises `BadCoding` or `TooLarge`."""
        if not data:
            return
        if self._coding is None:
            self._coding = _open_coding(self._name, data)
        self.read_bytes += len(data)
        if self.read_bytes > self._max_bytes:
            raise TooLarge(f"is larger than {self._max_bytes:,} bytes")
        try:
            for piece in self._coding.unpack(data):
                self._keep(piece)
        except _find_coding_errors():
            raise BadCoding(f"is not the {self._name or 'gzip'} that it says it is, or is damaged") from None

    def finish(self) -> tuple[bytes, bool]:
        """The decoded body, and whether its coding came to a proper end."""
        return b"".join(self._parts), self._coding is None or self._coding.complete

    def _keep(self, piece: bytes) -> None:
        self._parts.append(piece)
        self.decoded_bytes += len(piece)
        if self.decoded_bytes > self._max_bytes:
            raise TooLarge(f"unpacks to more than {self._max_bytes:,} bytes")
        if self.decoded_bytes > RATIO_FREE_BYTES and self.decoded_bytes > MAX_RATIO * self.read_bytes:
            raise TooLarge(f"grows more than {MAX_RATIO}-fold when unpacked")


def find_coding(content_encoding: str) -> str:
    """The one coding that a Content-Encoding header names, empty for none. Raises `BadCoding` for any other."""
    names = [name for part in content_encoding.split(",") if (name := part.strip().lower()) not in ("", "identity")]
    if len(names) > 1:
        raise BadCoding(f"is packed {len(names)} times, one over the other")
    name = names[0].removeprefix("x-") if names else ""
    if name not in ("", "gzip", "deflate", "br", "zstd"):
        raise BadCoding(f"is packed in a way that was not asked for ({name[:40]})")
    return name


def _open_coding(name: str, first: bytes) -> _Coding:
    if name == "gzip":
        return _Zlib(16 + zlib.MAX_WBITS)
    if name == "deflate":
        return _Zlib(zlib.MAX_WBITS if _is_zlib_header(first) else -zlib.MAX_WBITS)
    if name == "br":
        return _Brotli()
    return _Zstd() if name == "zstd" else _Plain()


def _is_zlib_header(first: bytes) -> bool:
    """RFC 1950 2.2; half of the servers send raw RFC 1951 instead and call it deflate too."""
    return len(first) >= 2 and first[0] & 0x0F == 8 and (first[0] * 256 + first[1]) % 31 == 0


def _find_coding_errors() -> tuple[type[Exception], ...]:
    import brotli  # type: ignore[import-untyped]
    import zstandard

    return (zlib.error, brotli.error, zstandard.ZstdError)


class _Plain:
    complete = True

    def unpack(self, data: bytes) -> Iterator[bytes]:
        yield data


class _Zlib:
    """gzip (of several members too), zlib and raw deflate."""

    def __init__(self, window_bits: int) -> None:
        self._window_bits = window_bits
        self._stream = zlib.decompressobj(window_bits)

    def unpack(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._stream.eof:
                if self._window_bits < 16 or not data.startswith(_GZIP_MAGIC):
                    return  # padding after the end is dropped, as browsers do
                self._stream = zlib.decompressobj(self._window_bits)
            yield self._stream.decompress(data, _PIECE_BYTES)
            data = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail

    @property
    def complete(self) -> bool:
        return self._stream.eof


class _Brotli:
    def __init__(self) -> None:
        import brotli

        self._stream = brotli.Decompressor()

    def unpack(self, data: bytes) -> Iterator[bytes]:
        if self.complete:
            return
        yield self._stream.process(data, output_buffer_limit=_PIECE_BYTES)
        while not self._stream.can_accept_more_data():
            yield self._stream.process(b"", output_buffer_limit=_PIECE_BYTES)

    @property
    def complete(self) -> bool:
        return bool(self._stream.is_finished())


class _Zstd:
    def __init__(self) -> None:
        import zstandard

        self._stream = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()

    def unpack(self, data: bytes) -> Iterator[bytes]:
        for start in range(0, len(data), _ZSTD_BYTES):
            if self.complete:
                return
            yield self._stream.decompress(data[start : start + _ZSTD_BYTES])

    @property
    def complete(self) -> bool:
        return bool(self._stream.eof)
