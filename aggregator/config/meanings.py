"""Reads the shipped mean vectors of languages (`pipeline.meaning`). Never computes them (`bench/language_means.py`)."""

from __future__ import annotations

import json
import struct
from base64 import b64decode
from pathlib import Path

#: language -> its mean as base64 of signed 16-bit numbers, big-endian, `SCALE` to one.
SHIPPED = Path(__file__).parent.parent / "data" / "language_means.json"
SCALE = 20_000


def load_language_means() -> tuple[tuple[str, tuple[float, ...]], ...]:
    """(primary language tag, mean vector); ``und`` is the mean of all, ``test`` the answer to a fixed sentence."""
    told: dict[str, str] = json.loads(SHIPPED.read_text(encoding="ascii"))
    return tuple((language, _unpack(text)) for language, text in told.items())


def _unpack(text: str) -> tuple[float, ...]:
    packed = b64decode(text)
    return tuple(number / SCALE for number in struct.unpack(f">{len(packed) // 2}h", packed))
