"""Content codings taken off as the bytes come, under caps. One layer only (RFC 9110 8.4). Never touches the network."""

from __future__ import annotations

import zlib
from collections.abc import Generator, Iterator
from typing import Protocol

#: A document may grow this many times when its coding is taken off, once it is beyond `RATIO_FREE_BYTES`.
MAX_RATIO = 200
RATIO_FREE_BYTES = 1024 * 1024
#: Streams that may follow each other in one body; each costs a new unpacker.
MAX_FRAMES = 1_000

ACCEPT_ENCODING = "gzip, deflate, br, zstd"

_PIECE_BYTES = 64 * 1024
#: One zstd block of 4 bytes may hold 128 KiB, and the library knows no output limit: so it gets little at a time.
_ZSTD_BYTES = 64
_ZSTD_WINDOW = 8 * 1024 * 1024
_GZIP_MAGIC = b"\x1f\x8b"
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE = b"\x2a\x4d\x18"


class BadCoding(Exception):
    """The coding is unknown, doubled or broken; the text goes on from "the answer ..."."""


class TooLarge(Exception):
    """The document is over a cap; the text goes on from "the answer ..."."""


class _Coding(Protocol):
    """Takes one coding off, in pieces small enough for the caps to be checked between them."""

    def unpack(self, data: bytes) -> Iterator[bytes]: ...

    @property
    def complete(self) -> bool: ...


class _Frame(Protocol):
    """One stream of a coding that may hold several."""

    def unpack(self, data: bytes) -> Generator[bytes, None, bytes]:
        """Yields what ``data`` unpacks to; returns the bytes of it that stand after the stream's end."""
        ...

    @property
    def complete(self) -> bool: ...


class _FrameOpener(Protocol):
    """The unpacker for what begins with ``head``; None when that is no further frame."""

    def __call__(self, head: bytes, *, first: bool) -> _Frame | None: ...


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
        """Takes the next bytes of the wire at once. Raises `BadCoding` or `TooLarge`."""
        for _ in self.unpack(data):
            pass

    def unpack(self, data: bytes) -> Iterator[bytes]:
        """As `feed`, in pieces that are collected as they are yielded: who takes them may rest in between."""
        if not data:
            return
        if self._coding is None:
            self._coding = _open_coding(self._name)
        self.read_bytes += len(data)
        if self.read_bytes > self._max_bytes:
            raise TooLarge(f"is larger than {self._max_bytes:,} bytes")
        try:
            for piece in self._coding.unpack(data):
                self._keep(piece)
                yield piece
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


def _open_coding(name: str) -> _Coding:
    if name == "gzip":
        return _Frames(_open_gzip, head_bytes=2)
    if name == "deflate":
        return _Frames(_open_deflate, head_bytes=2)
    if name == "br":
        return _Brotli()
    return _Frames(_open_zstd, head_bytes=4) if name == "zstd" else _Plain()


def _open_gzip(head: bytes, *, first: bool) -> _Frame | None:
    """Members may follow each other (RFC 1952 2.2)."""
    return _ZlibFrame(16 + zlib.MAX_WBITS) if first or head.startswith(_GZIP_MAGIC) else None


def _open_deflate(head: bytes, *, first: bool) -> _Frame | None:
    """RFC 1950 2.2; half of the servers send raw RFC 1951 instead and call it deflate too."""
    has_header = head[0] & 0x0F == 8 and (head[0] * 256 + head[1]) % 31 == 0
    return _ZlibFrame(zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS) if first else None


def _open_zstd(head: bytes, *, first: bool) -> _Frame | None:
    """Frames may follow each other, those with data for somebody else too (RFC 8878 3.1)."""
    is_skippable = head[0] & 0xF0 == 0x50 and head[1:4] == _ZSTD_SKIPPABLE
    return _ZstdFrame() if first or is_skippable or head.startswith(_ZSTD_MAGIC) else None


def _find_coding_errors() -> tuple[type[Exception], ...]:
    import brotli
    import zstandard

    return (zlib.error, brotli.error, zstandard.ZstdError)


class _Plain:
    complete = True

    def unpack(self, data: bytes) -> Iterator[bytes]:
        yield data


class _Frames:
    """Whole streams one after the other, cut anywhere. Padding after the last is dropped, as browsers do."""

    def __init__(self, open_frame: _FrameOpener, *, head_bytes: int) -> None:
        self._open_frame = open_frame
        self._head_bytes = head_bytes
        self._frame: _Frame | None = None
        self._count = 0
        #: The first bytes of a frame, too few yet to tell of what kind it is.
        self._head = b""
        self._over = False

    def unpack(self, data: bytes) -> Iterator[bytes]:
        data, self._head = self._head + data, b""
        while data and not self._over:
            if self._frame is None or self._frame.complete:
                if len(data) < self._head_bytes:
                    self._head = data
                    return
                self._open_next(data)
            else:
                data = yield from self._frame.unpack(data)

    def _open_next(self, data: bytes) -> None:
        frame = self._open_frame(data[: self._head_bytes], first=self._count == 0)
        self._count += 1
        if self._count > MAX_FRAMES:
            raise TooLarge(f"is packed in more than {MAX_FRAMES:,} pieces")
        self._over = frame is None
        self._frame = frame or self._frame

    @property
    def complete(self) -> bool:
        return self._frame is not None and self._frame.complete


class _ZlibFrame:
    """A gzip member, zlib or raw deflate."""

    def __init__(self, window_bits: int) -> None:
        self._stream = zlib.decompressobj(window_bits)

    def unpack(self, data: bytes) -> Generator[bytes, None, bytes]:
        piece = b""
        while not self._stream.eof and (data or len(piece) == _PIECE_BYTES):  # a full piece may have left some inside
            piece = self._stream.decompress(data, _PIECE_BYTES)
            data = self._stream.unconsumed_tail
            yield piece
        return self._stream.unused_data

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
        piece = self._stream.process(data, output_buffer_limit=_PIECE_BYTES)
        yield piece
        while piece and not self.complete:  # what is packed well may be inside still when all the input is taken
            piece = self._stream.process(b"", output_buffer_limit=_PIECE_BYTES)
            yield piece

    @property
    def complete(self) -> bool:
        return bool(self._stream.is_finished())


class _ZstdFrame:
    def __init__(self) -> None:
        import zstandard

        self._stream = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()

    def unpack(self, data: bytes) -> Generator[bytes, None, bytes]:
        position = 0
        while position < len(data) and not self.complete:
            yield self._stream.decompress(data[position : position + _ZSTD_BYTES])
            position += _ZSTD_BYTES
        return self._stream.unused_data + data[position:]

    @property
    def complete(self) -> bool:
        return bool(self._stream.eof)
