"""SPF as a receiver judges it (RFC 7208): every term, every limit, every way to be broken."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.mail.spf import judge
from aggregator.model.finding import Answer, Ask

_VOID = "it asks for more than 2 names that do not exist (n3.example)"
Zone = dict[tuple[str, str], tuple[str, ...]]


def ask_zone(zone: Zone) -> Ask:
    """Answers out of a mapping; the text ``!`` is a server that fails."""

    def ask(name: str, kind: str) -> Answer:
        records = zone.get((name, kind), ())
        return Answer(failure="no name server answered in time") if records == ("!",) else Answer(records=records)

    return ask


ZONE: Zone = {
    ("a.example", "A"): ("192.0.2.10", "192.0.2.11"),
    ("a.example", "AAAA"): ("2001:db8::10",),
    ("a.example", "MX"): ("10 mx.a.example", "20 mx2.a.example"),
    ("mx.a.example", "A"): ("192.0.2.20",),
    ("mx2.a.example", "AAAA"): ("2001:db8::20",),
    ("other.example", "TXT"): ("v=spf1 ip4:198.51.100.0/24 -all",),
    ("soft.example", "TXT"): ("v=spf1 ~all",),
    ("192.0.2.30", "PTR"): ("host.a.example",),
    ("host.a.example", "A"): ("192.0.2.30",),
    ("1.192.0.2.10.list.example", "A"): ("127.0.0.2",),
    ("10.2.0.192.in-addr.list.example", "A"): ("127.0.0.2",),
}


@pytest.mark.parametrize(
    ("record", "address", "wanted"),
    [
        ("v=spf1 ip4:192.0.2.10 -all", "192.0.2.10", "pass"),
        ("v=spf1 ip4:192.0.2.0/28 -all", "192.0.2.15", "pass"),
        ("v=spf1 ip4:192.0.2.0/28 -all", "192.0.2.16", "fail"),
        ("v=spf1 ip6:2001:db8::/32 ~all", "2001:db8::1", "pass"),
        ("v=spf1 ip4:192.0.2.0/24 ~all", "2001:db8::1", "softfail"),
        ("V=SPF1 A -ALL", "192.0.2.11", "pass"),
        ("v=spf1 a/24 -all", "192.0.2.99", "pass"),
        ("v=spf1 a//64 -all", "2001:db8::99", "pass"),
        ("v=spf1 a:a.example/31 -all", "192.0.2.12", "fail"),
        ("v=spf1 mx -all", "192.0.2.20", "pass"),
        ("v=spf1 mx -all", "2001:db8::20", "pass"),
        ("v=spf1 mx -all", "192.0.2.21", "fail"),
        ("v=spf1 ptr -all", "192.0.2.30", "pass"),
        ("v=spf1 ptr:b.example -all", "192.0.2.30", "fail"),
        ("v=spf1 include:other.example -all", "198.51.100.7", "pass"),
        ("v=spf1 include:other.example ?all", "192.0.2.1", "neutral"),
        ("v=spf1 -include:other.example +all", "198.51.100.7", "fail"),
        ("v=spf1 redirect=other.example", "198.51.100.7", "pass"),
        ("v=spf1 redirect=other.example", "192.0.2.1", "fail"),
        ("v=spf1 ~all redirect=other.example", "198.51.100.7", "softfail"),
        ("v=spf1 exists:%{ir}.%{v}.list.example -all", "192.0.2.10", "pass"),
        ("v=spf1 exists:%{ir}.%{v}.list.example -all", "192.0.2.11", "fail"),
        ("v=spf1 ip4:192.0.2.1", "192.0.2.2", "neutral"),
        ("v=spf1 exp=why.example moo=1 -all", "192.0.2.2", "fail"),
        ("v=spf10 +all", "192.0.2.2", "none"),
    ],
)
def test_terms_match_as_the_standard_says(record: str, address: str, wanted: str) -> None:
    """Each with an address that it means and one that it does not."""
    found = judge(
        ask_zone({**ZONE, ("a.example", "TXT"): ("google-site-verification=x", record)}),
        "a.example",
        ip_address(address),
    )

    assert found.result == wanted, found


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("v=spf1 ipv4:192.0.2.1 -all", 'a.example has the unknown term "ipv4:192.0.2.1"'),
        ("v=spf1 ip4:192.0.2.300 -all", 'a.example has the broken term "ip4:192.0.2.300"'),
        ("v=spf1 ip4:2001:db8::1 -all", 'a.example has the broken term "ip4:2001:db8::1"'),
        ("v=spf1 a/33 -all", 'a.example has the broken term "a/33"'),
        ("v=spf1 include -all", 'a.example has the broken term "include"'),
        ("v=spf1 -all:x", 'a.example has the broken term "-all:x"'),
        ("v=spf1 include:nobody.example -all", "a.example includes nobody.example, which has no SPF record"),
        ("v=spf1 redirect=nobody.example", "a.example redirects to nobody.example, which has no SPF record"),
        ("v=spf1 redirect=a.example", "a.example includes itself"),
        ("v=spf1 include:a.example -all", "a.example includes itself"),
        ("v=spf1 redirect=x.example redirect=y.example", "a.example has redirect twice"),
        ("v=spf1 exists:%{x}.a.example -all", 'a.example has the broken macro "%{x}.a.example"'),
        ("v=spf1 a:n1.example a:n2.example a:n3.example -all", _VOID),
        ("v=spf1 " + "a " * 11 + "-all", "it takes more than 10 lookups (at a.example)"),
    ],
)  # fmt: skip
def test_what_is_broken_is_named(record: str, reason: str) -> None:
    """A receiver then ignores the whole record."""
    found = judge(ask_zone({**ZONE, ("a.example", "TXT"): (record,)}), "a.example", ip_address("203.0.113.9"))

    assert (found.result, found.reason) == ("permerror", reason)


def test_two_records_are_none() -> None:
    """RFC 7208 4.5."""
    records = ("v=spf1 a -all", "v=spf1 mx -all")
    found = judge(ask_zone({("a.example", "TXT"): records}), "a.example", ip_address("192.0.2.10"))

    assert (found.result, found.reason) == ("permerror", "a.example has 2 SPF records, and must have one")


@pytest.mark.parametrize("count", [10, 11])
def test_ten_lookups_are_the_limit_however_deep_they_stand(count: int) -> None:
    """A chain of includes; the eleventh is one too many."""
    zone: Zone = {(f"n{n}.example", "TXT"): (f"v=spf1 include:n{n + 1}.example ?all",) for n in range(count)}
    zone[f"n{count}.example", "TXT"] = ("v=spf1 ip4:192.0.2.1 -all",)
    found = judge(ask_zone(zone), "n0.example", ip_address("192.0.2.1"))

    assert found.result == ("pass" if count == 10 else "permerror")
    assert found.lookups == count


def test_a_server_that_fails_is_no_verdict() -> None:
    """Neither good nor bad: later again."""
    zone: Zone = {("a.example", "TXT"): ("v=spf1 include:b.example -all",), ("b.example", "TXT"): ("!",)}
    found = judge(ask_zone(zone), "a.example", ip_address("192.0.2.1"))

    assert (found.result, found.reason) == ("temperror", "b.example: no name server answered in time")


@given(
    st.lists(
        st.sampled_from(
            ["a", "mx", "ptr", "ip4:192.0.2.1", "ip6:::1", "+all", "-all", "include:other.example", "exists:%{i}.x"]
        )
        | st.text(alphabet="ab4:/=%{}.-~?+ ", max_size=12),
        max_size=8,
    )
)
def test_no_record_is_too_strange(words: list[str]) -> None:
    """Whatever stands there, there is a verdict, after at most ten lookups and one."""
    record = " ".join(["v=spf1", *words])
    found = judge(ask_zone({**ZONE, ("a.example", "TXT"): (record,)}), "a.example", ip_address("192.0.2.1"))

    assert found.lookups <= 11
