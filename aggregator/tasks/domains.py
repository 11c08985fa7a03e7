"""Who registered a host's name, by the list of public suffixes, a file of its package. Never asks the net."""

from __future__ import annotations

from functools import cache

from aggregator.pipeline.discover import FindDomain


@cache
def open_domains() -> FindDomain:
    """``blog.example.co.uk`` -> ``example.co.uk``, None for a suffix itself. The list is read once."""
    from publicsuffixlist import PublicSuffixList

    find: FindDomain = PublicSuffixList().privatesuffix
    return find
