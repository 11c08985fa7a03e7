"""Addresses that belong to a machine or an office, not to a person: nobody there wants a newsletter, and a letter to
them starts a loop or looks like an attack. Never asks anybody.
"""

from __future__ import annotations

from aggregator.model.subscriber import get_domain

#: RFC 2142, RFC 5321 and what programs send from. Not ``info``, ``admin`` or ``webmaster``: people read those.
ROLES = frozenset(
    "abuse bounce bounces daemon do-not-reply do_not_reply donotreply hostmaster listserv mailer-daemon mailer_daemon "
    "mailerdaemon majordomo no-reply no_reply nobody noreply postmaster root security spam".split()
)


def is_role(address: str) -> bool:
    """Whether it is one of `ROLES`, with a tag (``abuse+x@``) or without; ``address`` is a checked one."""
    local = address.rpartition("@")[0].lower().partition("+")[0]
    return local in ROLES


def is_ours(address: str, bounces: str) -> bool:
    """Whether it is at the domain that our mail comes back to (``mail.bounces.address``; empty: there is none)."""
    return bool(bounces) and get_domain(address) == get_domain(bounces)
