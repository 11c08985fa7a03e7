"""Questions to DNS, by dnspython. Never judges an answer, never raises for what a server did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aggregator.errors import UsageError
from aggregator.model.finding import Answer, Ask

if TYPE_CHECKING:
    from dns.rdata import Rdata
    from dns.resolver import Resolver

#: For one question, repeated to other servers included.
LIFETIME_SECONDS = 6.0


def open_resolver(nameserver: str = "", *, lifetime: float = LIFETIME_SECONDS) -> Ask:
    """Ask the machine's own name servers, or ``nameserver`` (``ADDRESS`` or ``ADDRESS:PORT``). Each question once.

    Raises UsageError when there is nobody to ask.
    """
    import dns.exception
    import dns.resolver

    try:
        resolver = dns.resolver.Resolver(configure=not nameserver)
        if nameserver:
            address, port = _split(nameserver)
            resolver.nameservers = [address]
            resolver.port = port
    except (dns.exception.DNSException, ValueError) as error:
        raise UsageError(f"no name server to ask: {error}") from error
    resolver.lifetime = lifetime
    resolver.timeout = min(2.0, lifetime)
    known: dict[tuple[str, str], Answer] = {}

    def ask(name: str, kind: str) -> Answer:
        key = (name.lower().rstrip("."), kind)
        if key not in known:
            known[key] = _ask(resolver, *key)
        return known[key]

    return ask


def _split(nameserver: str) -> tuple[str, int]:
    """``9.9.9.9``, ``9.9.9.9:53``, ``2620:fe::fe``, ``[2620:fe::fe]:53``."""
    bare = nameserver.removeprefix("[")
    host, found, port = bare.partition("]:") if bare != nameserver else nameserver.partition(":")
    if bare == nameserver and nameserver.count(":") > 1:
        host, found, port = nameserver, "", ""
    if found and not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
        raise ValueError(f"{nameserver!r} is no address with a port")
    return host.removesuffix("]"), int(port or 53)


def _ask(resolver: Resolver, name: str, kind: str) -> Answer:
    import dns.exception
    import dns.name
    import dns.resolver
    import dns.reversename

    try:
        asked = dns.reversename.from_address(name) if kind == "PTR" else dns.name.from_text(name)
        found = resolver.resolve(asked, kind, search=False, raise_on_no_answer=False)
    except dns.resolver.NXDOMAIN:
        return Answer()
    except dns.exception.Timeout:
        return Answer(failure="no name server answered in time")
    except dns.resolver.NoNameservers:
        return Answer(failure="the name servers failed (SERVFAIL or refused)")
    except (dns.exception.DNSException, UnicodeError, ValueError) as error:
        return Answer(failure=f"it cannot be asked about ({str(error).splitlines()[0] if str(error) else 'bad name'})")
    return Answer(records=tuple(sorted(_write(record) for record in found.rrset or ())))


def _write(record: Rdata) -> str:
    """The texts of a TXT record joined, as its readers do; names without the dot at the end."""
    strings = getattr(record, "strings", None)
    if strings is not None:
        return b"".join(strings).decode("utf-8", "replace")
    return record.to_text().rstrip(".") if record.to_text() != "0 ." else "0 ."
