"""What `check --online` finds: each way in which DNS can be wrong has its light, its words and its record."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from aggregator.errors import UsageError
from aggregator.mail.dns import MailNames, find_faults, quote_txt, write_public_key
from aggregator.mail.resolver import open_resolver
from aggregator.model.finding import Answer, Finding
from tests.fixtures.dns_server import FAILING, SILENT, DnsServer

KEY = generate_private_key(65537, 2048)
PUBLIC = write_public_key(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
OTHER = write_public_key(
    generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
)
DKIM = "s1._domainkey.news.example.org"
NAMES = MailNames(
    senders=("news.example.org",),
    envelopes=("bounce.example.org",),
    bounce_domain="bounce.example.org",
    dkim_domain="news.example.org",
    dkim_selector="s1",
    public_key=PUBLIC,
    servers=("mail.example.org",),
)
#: As it should be.
GOOD = {
    ("mail.example.org", "A"): ("8.8.4.4",),
    ("mail.example.org", "AAAA"): ("2001:4860:4860::8844",),
    ("4.4.8.8.in-addr.arpa", "PTR"): ("mail.example.org.",),
    ("4.4.8.8.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.8.4.0.6.8.4.1.0.0.2.ip6.arpa", "PTR"): ("mail.example.org.",),
    ("bounce.example.org", "TXT"): ("v=spf1 a:mail.example.org -all", "other=1"),
    ("bounce.example.org", "MX"): ("10 mail.example.org.",),
    (DKIM, "TXT"): (f"v=DKIM1; k=rsa; p={PUBLIC}",),
    ("_dmarc.example.org", "TXT"): ("v=DMARC1; p=quarantine; rua=mailto:d@example.org",),
    ("news.example.org", "MX"): ("10 mail.example.org.",),
}


def get_organisation(name: str) -> str:
    return ".".join(name.split(".")[-2:])


def look(server: DnsServer, names: MailNames = NAMES) -> dict[str, list[Finding]]:
    """The findings, by what they are about."""
    found: dict[str, list[Finding]] = {}
    for finding in find_faults(names, open_resolver(server.address, lifetime=0.3), get_organisation):
        found.setdefault(finding.about, []).append(finding)
    return found


@pytest.fixture
def zone(dns_server: DnsServer) -> DnsServer:
    """The good zone."""
    for (name, kind), texts in GOOD.items():
        dns_server.set(name, kind, *texts)
    return dns_server


def test_all_is_well(zone: DnsServer) -> None:
    """Green, each with what is good about it; both ways of DMARC are the sender's own."""
    found = look(zone)

    assert {finding.light for findings in found.values() for finding in findings} == {"ok"}
    assert [str(finding) for finding in found["PTR"] + found["SPF"]] == [
        "ok: PTR of 8.8.4.4: is mail.example.org, which leads back to it",
        "ok: PTR of 2001:4860:4860::8844: is mail.example.org, which leads back to it",
        "ok: SPF of bounce.example.org: lets 8.8.4.4 send (a:mail.example.org)",
        "ok: SPF of bounce.example.org: lets 2001:4860:4860::8844 send (a:mail.example.org)",
    ]
    assert [finding.name for finding in found["MX"]] == ["news.example.org", "bounce.example.org"]
    assert len(set(zone.asked)) == len(zone.asked), "each question is asked once"


@pytest.mark.parametrize(
    ("texts", "light", "words"),
    [
        ((), "failed", "there is no record: nobody can tell who may send for it"),
        (("v=spf1 a -all", "v=spf1 mx -all"), "failed", "is broken, and counts for nothing: bounce.example.org has 2"),
        (("v=spf1 +all",), "warning", "lets everybody send (+all)"),
        (("v=spf1 ip4:203.0.113.1 -all",), "warning", "does not let 8.8.4.4 send (fail: -all)"),
        (("v=spf1 " + "a:mail.example.org " * 11 + "-all",), "failed", "it takes more than 10 lookups"),
        (("v=spf1 include:nobody.example -all",), "failed", "includes nobody.example, which has no SPF record"),
        ((FAILING,), "warning", "could not be looked up: the name servers failed"),
        ((SILENT,), "warning", "could not be looked up: no name server answered in time"),
    ],
    ids="missing two everybody other-address lookups include servfail timeout".split(),
)
def test_spf(zone: DnsServer, texts: tuple[str, ...], light: str, words: str) -> None:
    """Red when receivers see no valid record; yellow when we cannot know which address mail leaves from."""
    zone.set("bounce.example.org", "TXT", *texts)

    first = look(zone)["SPF"][0]

    assert first.light == light
    assert words in first.text


def test_the_spf_record_to_paste_holds_what_was_missing(zone: DnsServer) -> None:
    """A new one for none; else the old one with the address before its end. Pasted, it is good."""
    names = replace(NAMES, addresses=("9.9.9.9",))
    zone.set("9.9.9.9.in-addr.arpa", "PTR", "out.example.org.")
    zone.set("out.example.org", "A", "9.9.9.9")
    zone.set("bounce.example.org", "TXT", "v=spf1 mx ~all")
    extended = look(zone, names)["SPF"]
    zone.set("bounce.example.org", "TXT")
    proposed = look(zone, names)["SPF"]
    by_name = look(zone)["SPF"]

    assert [(one.light, str(one.record)) for one in extended] == [
        ("failed", 'bounce.example.org. TXT "v=spf1 mx ip4:9.9.9.9 ~all"')
    ]
    assert str(proposed[0].record) == 'bounce.example.org. TXT "v=spf1 ip4:9.9.9.9 ~all"'
    assert str(by_name[0].record) == 'bounce.example.org. TXT "v=spf1 a:mail.example.org ~all"'
    for finding in (*extended, *proposed):
        assert finding.record
        zone.set("bounce.example.org", "TXT", finding.record.value.strip('"'))
        assert [one.light for one in look(zone, names)["SPF"]] == ["ok"]


@pytest.mark.parametrize(
    ("texts", "light", "words"),
    [
        ((), "failed", "there is no key"),
        ((f"v=DKIM1; k=rsa; p={OTHER}",), "failed", "the key is not the one that mail.dkim.key_file signs with"),
        (("v=DKIM1; p=",), "failed", "the key was withdrawn"),
        ((f"v=DKIM1; p={PUBLIC}", f"v=DKIM1; p={OTHER}"), "failed", "there are 2 keys"),
        ((f"v=DKIM1; k=ed25519; p={PUBLIC}",), "failed", "the key is said to be ed25519"),
        ((f"v=DKIM1; h=sha1; p={PUBLIC}",), "failed", "the key allows sha1 only"),
        ((f"v=DKIM1; s=tlsrpt; p={PUBLIC}",), "failed", "the key is not for mail"),
        ((f"v=DKIM1; t=y:s; p={PUBLIC}",), "warning", "marked as a test"),
        ((f"k=rsa; s=email; h=sha1:sha256; p={PUBLIC[:100]} {PUBLIC[100:]}", "x=y"), "ok", "the one that we sign with"),
        ((FAILING,), "warning", "could not be looked up"),
    ],
    ids="missing mismatch withdrawn two ed25519 sha1 service test spaces servfail".split(),
)
def test_dkim(zone: DnsServer, texts: tuple[str, ...], light: str, words: str) -> None:
    """The record to paste holds the public half of the configured key, in strings that a zone file takes."""
    zone.set(DKIM, "TXT", *texts)

    (found,) = look(zone)["DKIM"]

    assert (found.name, found.light) == (DKIM, light)
    assert words in found.text
    if light != "ok" and FAILING not in texts:
        assert found.record
        assert (found.record.name, found.record.type) == (DKIM, "TXT")
        assert found.record.value == quote_txt(f"v=DKIM1; k=rsa; p={PUBLIC}")
        assert all(len(piece) <= 255 for piece in found.record.value.split('"'))


@pytest.mark.parametrize(
    ("texts", "light", "words"),
    [
        ((), "failed", "there is no record"),
        (("v=spf1 -all",), "failed", "there is no record"),
        (("v=DMARC1; p=none", "v=DMARC1; p=reject"), "failed", "there are 2 records, so that none counts"),
        (("v=DMARC1; rua=mailto:x@example.org",), "failed", 'its policy is ""'),
        (("v=DMARC1; p=nothing",), "failed", 'its policy is "nothing"'),
        (("v=DMARC1; p=none; rua=mailto:d@example.org",), "warning", "p=none: enough to begin with"),
        (("v=DMARC1; p=none; sp=reject",), "ok", "p=reject"),
        (("v=DMARC1;p=Reject",), "ok", "p=reject"),
        ((SILENT,), "warning", "could not be looked up"),
    ],
    ids="missing other two no-policy wrong none subdomains reject timeout".split(),
)
def test_dmarc(zone: DnsServer, texts: tuple[str, ...], light: str, words: str) -> None:
    """The organisation's record counts when the sender's domain has none of its own."""
    zone.set("_dmarc.example.org", "TXT", *texts)

    first = look(zone)["DMARC"][0]

    assert first.light == light
    assert words in first.text


def test_dmarc_records_to_paste(zone: DnsServer) -> None:
    """One to begin with; and the next step of one that only watches."""
    zone.set("_dmarc.example.org", "TXT")
    first = look(zone)["DMARC"][0].record
    zone.set("_dmarc.example.org", "TXT", "v=DMARC1; p=none; rua=mailto:d@example.org")
    second = look(zone)["DMARC"][0].record

    assert str(first) == '_dmarc.example.org. TXT "v=DMARC1; p=none; rua=mailto:dmarc@example.org"'
    assert str(second) == '_dmarc.example.org. TXT "v=DMARC1; p=quarantine; rua=mailto:d@example.org"'


@pytest.mark.parametrize(
    ("dkim", "envelope", "record", "light", "words"),
    [
        ("news.example.org", "bounce.example.org", "v=DMARC1; p=reject", "ok", "SPF and DKIM are by"),
        ("news.example.org", "esp.example", "v=DMARC1; p=reject", "warning", "only DKIM is by the sender's own domain"),
        ("esp.example", "bounce.example.org", "v=DMARC1; p=reject", "warning", "only SPF is by the sender's own"),
        ("", "bounce.example.org", "v=DMARC1; p=reject", "warning", "only SPF is by the sender's own domain as far as"),
        ("esp.example", "esp.example", "v=DMARC1; p=reject", "failed", "DMARC fails for every mail"),
        ("news.example.org", "bounce.example.org", "v=DMARC1; p=reject; aspf=s", "warning", "only DKIM"),
        ("example.org", "bounce.example.org", "v=DMARC1; p=reject; aspf=s; adkim=s", "failed", "neither SPF nor DKIM"),
    ],
)
def test_alignment(zone: DnsServer, dkim: str, envelope: str, record: str, light: str, words: str) -> None:
    """RFC 7489 3.1: relaxed means the same organisation, strict the same name."""
    zone.set("_dmarc.example.org", "TXT", record)
    names = replace(NAMES, dkim_domain=dkim, envelopes=(envelope,), bounce_domain=envelope)

    (found,) = look(zone, names)["alignment"]

    assert found.light == light
    assert words in found.text


def test_mail_that_is_not_signed_here_is_yellow(zone: DnsServer) -> None:
    """The server may sign it: that cannot be known."""
    (found,) = look(zone, replace(NAMES, dkim_domain=""))["DKIM"]

    assert (found.light, found.record) == ("warning", None)


@pytest.mark.parametrize(
    ("records", "light", "words"),
    [
        ((("MX", "10 mail.example.org."),), "ok", "mail to it goes to mail.example.org"),
        ((), "failed", "there is no record: answers and bounces are lost"),
        ((("A", "8.8.4.4"),), "warning", "there is no record; mail goes to the address of the name itself"),
        ((("MX", "0 ."),), "failed", "says that it takes no mail"),
        ((("MX", "10 gone.example.org."),), "failed", "gone.example.org has no address: no mail arrives"),
        ((("MX", FAILING),), "warning", "could not be looked up"),
    ],
    ids="good missing address null dead servfail".split(),
)
def test_mx(zone: DnsServer, records: tuple[tuple[str, str], ...], light: str, words: str) -> None:
    """Where answers go, and bounces."""
    for domain in ("news.example.org", "bounce.example.org"):
        zone.set(domain, "MX")
        for kind, text in records:
            zone.set(domain, kind, text)

    for found in look(zone)["MX"]:
        assert found.light == light
        assert words in found.text
        assert (found.record is None) == (light == "ok" or FAILING in dict(records).values() or "gone" in words)


@pytest.mark.parametrize("is_told", [True, False])
@pytest.mark.parametrize(
    ("pointer", "words"),
    [("", "there is no name for it"), ("else.example.org.", "its name else.example.org does not lead back to it")],
)
def test_ptr(zone: DnsServer, pointer: str, words: str, is_told: bool) -> None:
    """Red when the editor said that mail leaves from there; yellow when it is only likely."""
    zone.set("4.4.8.8.in-addr.arpa", "PTR", *([pointer] if pointer else []))
    zone.set("else.example.org", "A", "8.8.8.8")
    names = replace(NAMES, addresses=("8.8.4.4",) if is_told else ())

    found = look(zone, names)["PTR"][0]

    assert found.light == ("failed" if is_told else "warning")
    assert words in found.text
    assert str(found.record) == ("else.example.org. A 8.8.4.4" if pointer else "None")


@pytest.mark.parametrize(
    ("host", "light", "words"),
    [
        ("nowhere.example.org", "failed", "has no address in DNS"),
        ("localhost", "warning", "say which address mail leaves from with --address"),
        ("10.0.0.5", "warning", "in a private network"),
        ("inside.example.org", "warning", "in a private network"),
    ],
)
def test_servers_whose_public_address_is_not_known(zone: DnsServer, host: str, light: str, words: str) -> None:
    """SPF is then judged as far as it can be."""
    zone.set("inside.example.org", "A", "192.168.1.5")
    found = look(zone, replace(NAMES, servers=(host,)))

    assert [finding.light for finding in found["server"]] == [light]
    assert words in found["server"][0].text
    assert "PTR" not in found
    assert [finding.light for finding in found["SPF"]] == ["warning"]


def test_answers_too_large_for_one_packet_come_whole(dns_server: DnsServer) -> None:
    """By TCP; and a long text is one text, whatever strings it stands in."""
    text = "v=spf1 " + " ".join(f"ip4:192.0.2.{n}" for n in range(200))
    dns_server.set("large.example", "TXT", text)

    assert open_resolver(dns_server.address)("large.example", "TXT") == Answer(records=(text,))


@pytest.mark.parametrize("name", ["a..b", "x" * 64 + ".example", "ex ample..", "." * 300])
def test_names_that_cannot_be_asked_about(dns_server: DnsServer, name: str) -> None:
    """An answer that says so."""
    answer = open_resolver(dns_server.address)(name, "TXT")

    assert answer.records == ()
    assert not dns_server.asked or answer.failure == ""


@pytest.mark.parametrize("nameserver", ["nonsense", "127.0.0.1:port", "1.2.3.4.5", "127.0.0.1:0", "[::1]:99999"])
def test_a_name_server_that_is_none(nameserver: str) -> None:
    """One line."""
    with pytest.raises(UsageError, match="no name server to ask"):
        open_resolver(nameserver)


@pytest.mark.parametrize(
    ("name", "kinds", "about", "domain"),
    [
        ("mail.example.org", ("A", "AAAA"), "server", "mail.example.org"),
        ("out.example.org", ("A",), "PTR", "9.9.9.9"),
        ("mx.example.org", ("A", "AAAA"), "MX", "news.example.org"),
        ("news.example.org", ("A", "AAAA"), "MX", "news.example.org"),
    ],
    ids="server pointer mail-server no-mx".split(),
)
def test_what_could_not_be_asked_is_never_called_missing(
    zone: DnsServer, name: str, kinds: tuple[str, ...], about: str, domain: str
) -> None:
    """A name server that fails in the middle of a look says nothing about our records: yellow, without a record."""
    names = replace(NAMES, addresses=("9.9.9.9",) if about == "PTR" else ())
    zone.set("9.9.9.9.in-addr.arpa", "PTR", "out.example.org.")
    zone.set("news.example.org", "MX", *(["10 mx.example.org."] if name == "mx.example.org" else []))
    for kind in kinds:
        zone.set(name, kind, FAILING)

    (found,) = [finding for finding in look(zone, names)[about] if finding.name == domain]

    assert (found.light, found.record) == ("warning", None)
    assert found.text == "could not be looked up: the name servers failed (SERVFAIL or refused)"
