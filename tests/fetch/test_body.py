"""Bodies are taken in without holding up the loop."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
from collections.abc import Callable

import brotli
import pytest
import zstandard

from aggregator.fetch import body as body_module
from aggregator.fetch.body import Received, _Inflow
from tests.fetch.test_hosts import run_apart

MIB = 1024 * 1024
TEXT = b"".join(b"<item>%d</item>" % (n * n) for n in range(200_000))[: 3 * MIB]
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "br": lambda data: brotli.compress(data, quality=5),
    "zstd": zstandard.ZstdCompressor().compress,
    "": bytes,
}


@pytest.mark.parametrize("coding", PACKERS)
def test_others_have_their_turn_while_a_large_body_is_unpacked(coding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no time allowed at a stretch every piece is followed by a turn for others, however it came."""
    monkeypatch.setattr(body_module, "_TURN_SECONDS", -1.0)

    async def run() -> tuple[int, bytes, str]:
        turns = 0

        async def live() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        other = asyncio.create_task(live())
        inflow = _Inflow(coding, 10 * MIB, Received(), asyncio.Lock())
        packed = PACKERS[coding](TEXT)
        for start in range(0, len(packed), 128 * 1024):
            await inflow.take(packed[start : start + 128 * 1024])
        other.cancel()
        return turns, inflow.decoder.finish()[0], inflow.digest.hexdigest()

    turns, data, digest = run_apart(run())

    assert data == TEXT
    assert digest == hashlib.blake2b(TEXT, digest_size=16).hexdigest()
    assert turns >= len(TEXT) // (128 * 1024)
