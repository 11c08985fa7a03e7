"""Gives freed memory back to the machine, where the C library is glibc. Never touches what is in use.

A round of fetching frees megabytes in many threads; glibc keeps them in an arena a thread for later. A daemon that runs
for months beside others should not sit on them.
"""

from __future__ import annotations

import ctypes
import gc

_M_ARENA_MAX = -8
_ARENAS = 2
#: Objects made before the youngest are looked at, and how often that comes before the older and the oldest are.
_THRESHOLDS = (2_000, 20, 1_000)


def limit_arenas() -> None:
    """At most two arenas for all threads, from now on; elsewhere than on glibc nothing happens."""
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        mallopt(_M_ARENA_MAX, _ARENAS)


def release_freed() -> None:
    """Hand freed pages back; elsewhere than on glibc only Python's own garbage is collected."""
    gc.collect()
    if malloc_trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        malloc_trim(0)


def keep_loaded() -> None:
    """What is loaded by now stays: later collections need not look at it, and hold everybody up seldom and shortly.

    What a round makes is values without cycles, which go without the collector; what is left, `release_freed` finds.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_THRESHOLDS)
