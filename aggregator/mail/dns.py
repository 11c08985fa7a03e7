"""What DNS says of our mail, in findings with a light and a record to paste: SPF, DKIM, DMARC, MX and PTR.

Judges answers only: who asks is handed in. What large receivers demand is red, what they wish is yellow.
"""

from __future__ import annotations

import ipaddress
import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from aggregator.mail import spf
from aggregator.model.finding import Answer, Ask, Finding, Light, Record

#: A string of a TXT record holds no more (RFC 1035 3.3).
_STRING = 255
_TAG = re.compile(r"\s*([A-Za-z][A-Za-z0-9_]*)\s*=\s*(.*?)\s*\Z", re.S)
#: Of DMARC records that we propose: watch first, refuse later.
_FIRST_POLICY = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailNames:
    """What is to be looked up, as configured."""

    #: Domains of the addresses in From.
    senders: tuple[str, ...]
    #: Of the addresses that mail comes back to: those of bounces, else the senders.
    envelopes: tuple[str, ...]
    #: Where bounces are read; empty: nowhere.
    bounce_domain: str = ""
    dkim_domain: str = ""
    dkim_selector: str = ""
    #: base64, as it stands in DNS.
    public_key: str = field(default="", repr=False)
    #: Host names of our mail servers.
    servers: tuple[str, ...] = ()
    #: Addresses that mail leaves from, when the editor said so.
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Look:
    """One look: the question, who answers, and what an organisation's domain is (``example.org`` of all below)."""

    names: MailNames
    ask: Ask
    organisation: Callable[[str], str]


def find_faults(names: MailNames, ask: Ask, organisation: Callable[[str], str]) -> tuple[Finding, ...]:
    """Everything, good findings included, in the order in which a receiver looks."""
    look = _Look(names, ask, organisation)
    addresses, told = _find_addresses(look)
    found = [*told, *(_check_pointer(look, address) for address in addresses)]
    for domain in names.envelopes:
        found += _check_spf(look, domain, addresses)
    found.append(_check_dkim(look))
    for domain in names.senders:
        found += _check_dmarc(look, domain)
        found.append(_check_mx(look, domain))
    if names.bounce_domain and names.bounce_domain not in names.senders:
        found.append(_check_mx(look, names.bounce_domain))
    return tuple(found)


def write_public_key(key_pem: bytes) -> str:
    """The public half of a private key, as it stands in DNS. The key must be one that `mail.dkim.Signer` takes."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    key = load_pem_private_key(key_pem, password=None).public_key()
    return b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode("ascii")


def quote_txt(text: str) -> str:
    """As a zone file has it: strings of at most 255 characters, each in quotes."""
    pieces = [text[start : start + _STRING] for start in range(0, len(text), _STRING)]
    return " ".join(f'"{piece}"' for piece in pieces)


def _txt(name: str, text: str) -> Record:
    return Record(name=name, type="TXT", value=quote_txt(text))


def _unknown(about: str, name: str, failure: str) -> Finding:
    return Finding(light="warning", about=about, name=name, text=f"could not be looked up: {failure}")


def _ask_addresses(look: _Look, host: str) -> Answer:
    """Those of both kinds; a failure counts when nothing was found."""
    answers = [look.ask(host, kind) for kind in ("A", "AAAA")]
    records = tuple(text for answer in answers for text in answer.records)
    failures = (answer.failure for answer in answers if answer.failure)
    return Answer(records=records, failure="" if records else next(failures, ""))


def _list_named_servers(look: _Look) -> list[str]:
    """Our servers that are configured by a name others know them by."""
    return [host for host in look.names.servers if "." in host and not host.replace(".", "").isdigit()]


# Where mail leaves from


def _find_addresses(look: _Look) -> tuple[tuple[spf.IpAddress, ...], list[Finding]]:
    """Public addresses of our servers; what is wrong with their names."""
    if look.names.addresses:
        return tuple(ipaddress.ip_address(text) for text in look.names.addresses), []
    found: dict[spf.IpAddress, None] = {}
    told: list[Finding] = []
    for host in look.names.servers:
        try:
            texts: list[str] = [str(ipaddress.ip_address(host))]
        except ValueError:
            answer = _ask_addresses(look, host)
            texts = [*answer.records]
            if not texts and host != "localhost":
                missing = Finding(light="failed", about="server", name=host, text="has no address in DNS")
                told.append(_unknown("server", host, answer.failure) if answer.failure else missing)
                continue
        found |= dict.fromkeys(address for text in texts if (address := ipaddress.ip_address(text)).is_global)
        if not any(ipaddress.ip_address(text).is_global for text in texts):
            hint = "say which address mail leaves from with --address, so that SPF and PTR can be judged"
            text = f"is on this machine or in a private network; {hint}"
            told.append(Finding(light="warning", about="server", name=host, text=text))
    return tuple(found), told


def _check_pointer(look: _Look, address: spf.IpAddress) -> Finding:
    name = str(address)
    bad: Light = "failed" if look.names.addresses else "warning"
    unsure = "" if look.names.addresses else " (if mail leaves from another address, name it with --address)"
    answer = look.ask(name, "PTR")
    if answer.failure:
        return _unknown("PTR", name, answer.failure)
    if not answer.records:
        text = f"there is no name for it: many receivers refuse such mail; whoever owns the address sets one{unsure}"
        return Finding(light=bad, about="PTR", name=name, text=text)
    good = list(spf.iter_names(look.ask, address))
    kind = "A" if address.version == 4 else "AAAA"
    failures = (failure for host in answer.records if (failure := look.ask(host, kind).failure))
    if not good and (failure := next(failures, "")):
        return _unknown("PTR", name, failure)
    if not good:
        text = f"its name {answer.records[0]} does not lead back to it: many receivers refuse such mail{unsure}"
        record = Record(name=answer.records[0], type=kind, value=name)
        return Finding(light=bad, about="PTR", name=name, text=text, record=record)
    return Finding(light="ok", about="PTR", name=name, text=f"is {good[0]}, which leads back to it")


# SPF


def _check_spf(look: _Look, domain: str, addresses: tuple[spf.IpAddress, ...]) -> Iterator[Finding]:
    answer = look.ask(domain, "TXT")
    if answer.failure:
        yield _unknown("SPF", domain, answer.failure)
        return
    records = spf.find_records(look.ask, domain)
    if not records:
        text = "there is no record: nobody can tell who may send for it"
        record = _txt(domain, _propose_spf(look, addresses))
        yield Finding(light="failed", about="SPF", name=domain, text=text, record=record)
        return
    sender = f"b@{domain}"
    whole = spf.judge(look.ask, domain, ipaddress.ip_address("192.0.2.255"), sender)
    if whole.result in ("permerror", "temperror"):
        light: Light = "failed" if whole.result == "permerror" else "warning"
        text = f"is broken, and counts for nothing: {whole.reason}" if light == "failed" else whole.reason
        yield Finding(light=light, about="SPF", name=domain, text=text)
        return
    if whole.result == "pass":
        text = f"lets everybody send ({whole.reason}), which protects nobody: end it with ~all or -all"
        yield Finding(light="warning", about="SPF", name=domain, text=text)
        return
    for address in addresses:
        yield _judge_address(look, domain, address, records[0], sender)
    if not addresses:
        text = f"can be read ({whole.lookups} of {spf.MAX_LOOKUPS} lookups); whether it names our server is not known"
        yield Finding(light="warning", about="SPF", name=domain, text=text)


def _judge_address(look: _Look, domain: str, address: spf.IpAddress, record: str, sender: str) -> Finding:
    found = spf.judge(look.ask, domain, address, sender)
    if found.result == "pass":
        return Finding(light="ok", about="SPF", name=domain, text=f"lets {address} send ({found.reason})")
    if found.result == "temperror":
        return _unknown("SPF", domain, found.reason)
    bad: Light = "failed" if look.names.addresses else "warning"
    unsure = "" if look.names.addresses else " (if mail leaves from another address, name it with --address)"
    text = f"does not let {address} send ({found.result}: {found.reason}){unsure}"
    return Finding(light=bad, about="SPF", name=domain, text=text, record=_txt(domain, _add_address(record, address)))


def _propose_spf(look: _Look, addresses: tuple[spf.IpAddress, ...]) -> str:
    terms = [f"ip{address.version}:{address}" for address in addresses] or ["mx"]
    if not look.names.addresses:
        named = _list_named_servers(look)
        terms = [f"a:{host}" for host in named] if addresses and named else terms
    return " ".join(["v=spf1", *terms, "~all"])


def _add_address(record: str, address: spf.IpAddress) -> str:
    """The same record with the address before its end."""
    words = record.split()
    place = next(
        (n for n, word in enumerate(words) if re.fullmatch(r"[+\-~?]?all|redirect=.*", word, re.I)), len(words)
    )
    return " ".join([*words[:place], f"ip{address.version}:{address}", *words[place:]])


# DKIM


def _read_tags(text: str) -> dict[str, str]:
    """``v=DKIM1; k=rsa; p=...`` -> names and values; the first of two wins."""
    tags: dict[str, str] = {}
    for part in text.split(";"):
        if found := _TAG.match(part):
            tags.setdefault(found[1].lower(), found[2])
    return tags


def _check_dkim(look: _Look) -> Finding:
    names = look.names
    if not names.dkim_domain:
        text = "mail is not signed here (mail.dkim): the mail server has to do it, or receivers refuse much of it"
        return Finding(light="warning", about="DKIM", name=names.senders[0] if names.senders else "-", text=text)
    place = f"{names.dkim_selector}._domainkey.{names.dkim_domain}"
    answer = look.ask(place, "TXT")
    if answer.failure:
        return _unknown("DKIM", place, answer.failure)
    wanted = _txt(place, f"v=DKIM1; k=rsa; p={names.public_key}")
    # RFC 6376 3.6.2.2: what begins with another version, or has no key, is no key record.
    keys = [tags for text in answer.records if "p" in (tags := _read_tags(text)) and tags.get("v", "DKIM1") == "DKIM1"]
    light, text = _judge_key(keys, names.public_key)
    return Finding(light=light, about="DKIM", name=place, text=text, record=None if light == "ok" else wanted)


def _judge_key(keys: list[dict[str, str]], public_key: str) -> tuple[Light, str]:
    if not keys:
        return "failed", "there is no key: our signatures cannot be checked"
    if len(keys) > 1:
        return "failed", f"there are {len(keys)} keys, and must be one"
    tags = keys[0]
    key = re.sub(r"\s+", "", tags["p"])
    if not key:
        return "failed", "the key was withdrawn (p= is empty): our signatures count for nothing"
    if tags.get("k", "rsa").lower() != "rsa":
        return "failed", f"the key is said to be {tags['k']}, ours is rsa"
    if key != public_key:
        return "failed", "the key is not the one that mail.dkim.key_file signs with: our signatures fail"
    if "sha256" not in tags.get("h", "sha256").lower().split(":"):
        return "failed", f"the key allows {tags['h']} only, we sign with sha256"
    if not {"*", "email"} & set(tags.get("s", "*").lower().replace(" ", "").split(":")):
        return "failed", "the key is not for mail (s=)"
    if "y" in tags.get("t", "").lower().split(":"):
        return "warning", "the key is marked as a test (t=y): receivers may ignore it"
    return "ok", "the key is the one that we sign with"


# DMARC


def _check_dmarc(look: _Look, domain: str) -> Iterator[Finding]:
    top = look.organisation(domain)
    for place in dict.fromkeys((domain, top)):
        answer = look.ask(f"_dmarc.{place}", "TXT")
        if answer.failure:
            yield _unknown("DMARC", f"_dmarc.{place}", answer.failure)
            return
        records = [text for text in answer.records if re.match(r"v\s*=\s*DMARC1\s*(;|\Z)", text)]
        if records:
            yield from _judge_dmarc(look, domain, place, records)
            return
    text = "there is no record: large receivers refuse bulk mail without one"
    record = _txt(f"_dmarc.{top}", f"v=DMARC1; p={_FIRST_POLICY}; rua=mailto:dmarc@{top}")
    yield Finding(light="failed", about="DMARC", name=domain, text=text, record=record)


def _judge_dmarc(look: _Look, domain: str, place: str, records: list[str]) -> Iterator[Finding]:
    name = f"_dmarc.{place}"
    if len(records) > 1:
        text = f"there are {len(records)} records, so that none counts"
        yield Finding(light="failed", about="DMARC", name=name, text=text)
        return
    tags = _read_tags(records[0])
    policy = (tags.get("sp") if place != domain else None) or tags.get("p", "")
    if policy.lower() not in ("none", "quarantine", "reject"):
        text = f'its policy is "{policy}", which nobody knows: p must be none, quarantine or reject'
        record = _txt(name, f"v=DMARC1; p={_FIRST_POLICY}; rua=mailto:dmarc@{place}")
        yield Finding(light="failed", about="DMARC", name=name, text=text, record=record)
        return
    if policy.lower() == "none":
        text = "p=none: enough to begin with; when the reports are good, p=quarantine keeps others from using the name"
        better = re.sub(r"\b(s?p)\s*=\s*none", r"\1=quarantine", records[0], flags=re.I)
        yield Finding(light="warning", about="DMARC", name=name, text=text, record=_txt(name, better))
    else:
        yield Finding(light="ok", about="DMARC", name=name, text=f"p={policy.lower()}")
    yield _check_alignment(look, domain, tags)


def _check_alignment(look: _Look, domain: str, tags: dict[str, str]) -> Finding:
    """DMARC needs SPF or DKIM by the sender's own domain; receivers like both."""
    names = look.names
    ways = {
        "DKIM": bool(names.dkim_domain) and _aligned(look, names.dkim_domain, domain, tags.get("adkim", "r")),
        "SPF": any(_aligned(look, envelope, domain, tags.get("aspf", "r")) for envelope in names.envelopes),
    }
    good = [way for way, is_aligned in ways.items() if is_aligned]
    if len(good) == 2:
        return Finding(light="ok", about="alignment", name=domain, text="SPF and DKIM are by the sender's own domain")
    if good == ["SPF"] and not names.dkim_domain:
        text = "only SPF is by the sender's own domain as far as we know; the mail server's DKIM should be, too"
        return Finding(light="warning", about="alignment", name=domain, text=text)
    if good:
        text = f"only {good[0]} is by the sender's own domain: it passes, until that one breaks on the way"
        return Finding(light="warning", about="alignment", name=domain, text=text)
    text = "neither SPF nor DKIM is by the sender's own domain: DMARC fails for every mail"
    return Finding(light="failed", about="alignment", name=domain, text=text)


def _aligned(look: _Look, found: str, domain: str, mode: str) -> bool:
    return found == domain if mode.lower() == "s" else look.organisation(found) == look.organisation(domain)


# MX


def _check_mx(look: _Look, domain: str) -> Finding:
    answer = look.ask(domain, "MX")
    if answer.failure:
        return _unknown("MX", domain, answer.failure)
    hosts = [record.partition(" ")[2] for record in sorted(answer.records, key=_get_preference)]
    proposed = Record(name=domain, type="MX", value=f"10 {_propose_host(look, domain)}.")
    if [host for host in hosts if host in ("", ".")]:
        text = "says that it takes no mail (null MX): answers and bounces are lost"
        return Finding(light="failed", about="MX", name=domain, text=text, record=proposed)
    if not hosts:
        itself = _ask_addresses(look, domain)
        if itself.failure:
            return _unknown("MX", domain, itself.failure)
        if itself.records:
            text = "there is no record; mail goes to the address of the name itself, which some do not try"
            return Finding(light="warning", about="MX", name=domain, text=text, record=proposed)
        text = "there is no record: answers and bounces are lost, and receivers mistrust the sender"
        return Finding(light="failed", about="MX", name=domain, text=text, record=proposed)
    return _check_hosts(look, domain, hosts)


def _check_hosts(look: _Look, domain: str, hosts: list[str]) -> Finding:
    answers = {host: _ask_addresses(look, host) for host in hosts}
    failure = next((answer.failure for answer in answers.values() if answer.failure), "")
    if failure and not any(answer.records for answer in answers.values()):
        return _unknown("MX", domain, failure)
    dead = [host for host, answer in answers.items() if not answer.records and not answer.failure]
    if len(dead) == len(answers):
        return Finding(light="failed", about="MX", name=domain, text=f"{dead[0]} has no address: no mail arrives")
    if dead:
        return Finding(light="warning", about="MX", name=domain, text=f"{dead[0]} has no address")
    return Finding(light="ok", about="MX", name=domain, text=f"mail to it goes to {hosts[0]}")


def _get_preference(record: str) -> int:
    first = record.partition(" ")[0]
    return int(first) if first.isdigit() else 0


def _propose_host(look: _Look, domain: str) -> str:
    return next(iter(_list_named_servers(look)), f"mail.{domain}")
