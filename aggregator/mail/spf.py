"""Who may send in a domain's name (SPF, RFC 7208), judged as a receiver would. Asks through what it is handed."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from aggregator.model.finding import Ask

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Result = Literal["pass", "fail", "softfail", "neutral", "none", "permerror", "temperror"]

#: RFC 7208 4.6.4.
MAX_LOOKUPS = 10
MAX_VOID_LOOKUPS = 2
MAX_NAMES = 10

_SIGNS: dict[str, Result] = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
_MODIFIER = re.compile(r"(?P<name>[a-z][a-z0-9._-]*)=(?P<value>\S*)\Z", re.I)
_ARGUMENT = re.compile(r"(?::(?P<domain>[^/\s]+))?(?:/(?P<four>[0-9]+))?(?://(?P<six>[0-9]+))?\Z")
_MACRO = re.compile(r"%(?:([%_-])|\{([slodiphv])([0-9]*)(r?)([.\-+,/_=]*)\})", re.I)
#: With a lookup each, but for those that name networks.
_NAMES = {"all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a receiver makes of it."""

    result: Result
    #: The term that decided, or what is wrong.
    reason: str
    lookups: int = 0


class _Trouble(Exception):
    def __init__(self, result: Result, reason: str) -> None:
        super().__init__(reason)
        self.result: Result = result
        self.reason = reason


@dataclass(slots=True)
class _Walk:
    """One evaluation: who asks, and how often the limits were touched."""

    ask: Ask
    address: IpAddress
    sender: str
    lookups: int = 0
    voids: int = 0
    path: list[str] = field(default_factory=list)


def judge(ask: Ask, domain: str, address: IpAddress, sender: str = "") -> Judgement:
    """Whether mail with an envelope sender at ``domain`` may come from ``address``."""
    walk = _Walk(ask, address, sender or f"postmaster@{domain}")
    try:
        result, reason = _judge(walk, domain.lower())
    except _Trouble as trouble:
        return Judgement(result=trouble.result, reason=trouble.reason, lookups=walk.lookups)
    return Judgement(result=result, reason=reason, lookups=walk.lookups)


def find_records(ask: Ask, domain: str) -> tuple[str, ...]:
    """The SPF records among a domain's texts; there should be one. Raises nothing: a failure looks like none."""
    texts = ask(domain, "TXT").records
    return tuple(text for text in texts if text.lower() == "v=spf1" or text.lower().startswith("v=spf1 "))


def _judge(walk: _Walk, domain: str) -> tuple[Result, str]:
    if domain in walk.path:
        raise _Trouble("permerror", f"{domain} includes itself")
    failure = walk.ask(domain, "TXT").failure
    if failure:
        raise _Trouble("temperror", f"{domain}: {failure}")
    records = find_records(walk.ask, domain)
    if len(records) > 1:
        raise _Trouble("permerror", f"{domain} has {len(records)} SPF records, and must have one")
    if not records:
        return "none", f"{domain} has no SPF record"
    terms, redirect = _parse(records[0], domain)
    walk.path.append(domain)
    try:
        return _try_terms(walk, domain, terms, redirect)
    finally:
        walk.path.pop()


def _try_terms(walk: _Walk, domain: str, terms: list[tuple[str, str, str]], redirect: str) -> tuple[Result, str]:
    for sign, name, argument in terms:
        if _matches(walk, domain, name, argument):
            return _SIGNS[sign or "+"], f"{sign}{name}{argument}"
    if redirect and not any(name == "all" for _, name, _ in terms):
        _count(walk, domain)
        target = _expand(walk, redirect, domain)
        result, reason = _judge(walk, target)
        if result == "none":
            raise _Trouble("permerror", f"{domain} redirects to {target}, which has no SPF record")
        return result, reason
    return "neutral", f"no term of {domain} speaks of it"


def _parse(record: str, domain: str) -> tuple[list[tuple[str, str, str]], str]:
    """(sign, name, argument) of each mechanism, and where a redirect leads."""
    terms: list[tuple[str, str, str]] = []
    modifiers: dict[str, str] = {}
    for word in record.split()[1:]:
        if modifier := _MODIFIER.match(word):
            name = modifier["name"].lower()
            if name in modifiers and name in ("redirect", "exp"):
                raise _Trouble("permerror", f"{domain} has {name} twice")
            modifiers[name] = modifier["value"]
            continue
        sign, rest = (word[0], word[1:]) if word[0] in _SIGNS else ("", word)
        name, colon, _ = rest.partition(":")
        name = name.partition("/")[0].lower()
        if name not in _NAMES:
            raise _Trouble("permerror", f'{domain} has the unknown term "{word}"')
        argument = rest[len(name) :]
        _check_argument(domain, word, name, argument, has_colon=bool(colon))
        terms.append((sign, name, argument))
    if "redirect" in modifiers and not modifiers["redirect"]:
        raise _Trouble("permerror", f"{domain} redirects to nowhere")
    return terms, modifiers.get("redirect", "")


def _check_argument(domain: str, word: str, name: str, argument: str, *, has_colon: bool) -> None:
    good = True
    match name:
        case "all":
            good = not argument
        case "ip4" | "ip6":
            good = _read_network(argument.removeprefix(":"), name) is not None
        case "include" | "exists":
            good = has_colon and len(argument) > 1
        case "ptr":
            good = "/" not in argument
        case _:
            good = _split_argument(argument) is not None
    if not good:
        raise _Trouble("permerror", f'{domain} has the broken term "{word}"')


def _read_network(text: str, kind: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        found = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    return found if found.version == (4 if kind == "ip4" else 6) else None


def _split_argument(argument: str) -> tuple[str, int, int] | None:
    """(domain, bits of an IPv4 address, bits of an IPv6 address) of ``a`` and ``mx``."""
    found = _ARGUMENT.match(argument)
    if found is None:
        return None
    four, six = int(found["four"] or 32), int(found["six"] or 128)
    return (found["domain"] or "", four, six) if four <= 32 and six <= 128 else None


def _matches(walk: _Walk, domain: str, name: str, argument: str) -> bool:
    match name:
        case "all":
            return True
        case "ip4" | "ip6":
            network = _read_network(argument.removeprefix(":"), name)
            return network is not None and walk.address in network
        case "include":
            return _includes(walk, domain, argument[1:])
        case "exists":
            _count(walk, domain)
            return bool(_look(walk, _expand(walk, argument[1:], domain), "A"))
        case "ptr":
            _count(walk, domain)
            return _has_name(walk, _expand(walk, argument[1:], domain) if argument else domain)
        case _:
            return _has_address(walk, domain, name, argument)


def _includes(walk: _Walk, domain: str, target: str) -> bool:
    _count(walk, domain)
    target = _expand(walk, target, domain)
    result, _ = _judge(walk, target)
    if result == "none":
        raise _Trouble("permerror", f"{domain} includes {target}, which has no SPF record")
    return result == "pass"


def _has_address(walk: _Walk, domain: str, name: str, argument: str) -> bool:
    """``a`` and ``mx``: the address is one of the domain's, or of its mail servers'."""
    _count(walk, domain)
    split = _split_argument(argument)
    assert split is not None, "checked when the record was read"
    target, four, six = split
    target = _expand(walk, target, domain) if target else domain
    kind, bits = ("A", four) if walk.address.version == 4 else ("AAAA", six)
    hosts = [target]
    if name == "mx":
        hosts = [host for record in _look(walk, target, "MX") if (host := record.partition(" ")[2]) != "."]
        if len(hosts) > MAX_NAMES:
            raise _Trouble("permerror", f"{target} has more than {MAX_NAMES} mail servers")
    for host in hosts:
        for text in _look(walk, host, kind):
            if walk.address in ipaddress.ip_network(f"{text}/{bits}", strict=False):
                return True
    return False


def _has_name(walk: _Walk, target: str) -> bool:
    return any(name == target or name.endswith(f".{target}") for name in iter_names(walk.ask, walk.address))


def iter_names(ask: Ask, address: IpAddress) -> Iterator[str]:
    """The names of an address that lead back to it."""
    for name in ask(str(address), "PTR").records[:MAX_NAMES]:
        if str(address) in _normal(ask(name, "A" if address.version == 4 else "AAAA").records):
            yield name.lower()


def _normal(addresses: tuple[str, ...]) -> set[str]:
    return {str(ipaddress.ip_address(text)) for text in addresses}


def _count(walk: _Walk, domain: str) -> None:
    walk.lookups += 1
    if walk.lookups > MAX_LOOKUPS:
        raise _Trouble("permerror", f"it takes more than {MAX_LOOKUPS} lookups (at {domain})")


def _look(walk: _Walk, name: str, kind: str) -> tuple[str, ...]:
    answer = walk.ask(name, kind)
    if answer.failure:
        raise _Trouble("temperror", f"{name}: {answer.failure}")
    if not answer.records:
        walk.voids += 1
        if walk.voids > MAX_VOID_LOOKUPS:
            raise _Trouble("permerror", f"it asks for more than {MAX_VOID_LOOKUPS} names that do not exist ({name})")
    return answer.records


def _expand(walk: _Walk, text: str, domain: str) -> str:
    """Macros (RFC 7208 7) filled in."""
    local, _, sender_domain = walk.sender.rpartition("@")
    dotted = ".".join(walk.address.exploded.replace(":", "")) if walk.address.version == 6 else str(walk.address)
    values = {
        "s": walk.sender, "l": local, "o": sender_domain, "d": domain, "i": dotted, "p": "unknown",
        "h": sender_domain, "v": "in-addr" if walk.address.version == 4 else "ip6",
    }  # fmt: skip

    def fill(found: re.Match[str]) -> str:
        if found[1]:
            return {"%": "%", "_": " ", "-": "%20"}[found[1]]
        parts = re.split(f"[{re.escape(found[5] or '.')}]", values[found[2].lower()])
        parts = parts[::-1] if found[4] else parts
        return ".".join(parts[-int(found[3]) :] if found[3] and int(found[3]) else parts)

    filled = _MACRO.sub(fill, text)
    if "%" in _MACRO.sub("", text):
        raise _Trouble("permerror", f'{domain} has the broken macro "{text}"')
    return filled.lower().rstrip(".")
