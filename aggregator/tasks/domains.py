"""Who registered a host's name, by the list of public suffixes, a file of its package. Never asks the net."""

from __future__ import annotations

from functools import cache, lru_cache

from aggregator.pipeline.urls import FindDomain

#: Hosts whose answer is remembered: each story asks for those of its entries.
_REMEMBERED = 4096


@cache
def open_domains() -> FindDomain:
    """``blog.example.co.uk`` -> ``example.co.uk``, None for a suffix itself. The list is read once."""
    from publicsuffixlist import PublicSuffixList

    find: FindDomain = lru_cache(_REMEMBERED)(PublicSuffixList().privatesuffix)
    return find
