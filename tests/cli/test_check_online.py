"""``aggregator check --online``, and what `check` says of signature and mailbox without it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from aggregator.mail.dns import write_public_key
from tests.fixtures.dns_server import DnsServer
from tests.fixtures.program import Program

PLACE = "s1._domainkey.example.org"


@pytest.fixture(scope="module")
def key_pem() -> bytes:
    return generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def configure(local: Program, key: bytes | None = None, **mail: Any) -> None:
    """Mail into the outbox, signed with ``key``."""
    if key is not None:
        (local.folder / "dkim.pem").write_bytes(key)
        (local.folder / "dkim.pem").chmod(0o600)
        mail["dkim"] = {"domain": "example.org", "selector": "s1", "key_file": "dkim.pem"}
    local.configure(mail={"from": "AI Weekly <news@example.org>", **mail})


def fill(server: DnsServer, key_pem: bytes) -> None:
    server.set("example.org", "TXT", "v=spf1 ip4:9.9.9.9 -all")
    server.set("example.org", "MX", "10 mail.example.org.")
    server.set("mail.example.org", "A", "9.9.9.9")
    server.set("9.9.9.9.in-addr.arpa", "PTR", "mail.example.org.")
    server.set(PLACE, "TXT", f"v=DKIM1; k=rsa; p={write_public_key(key_pem)}")
    server.set("_dmarc.example.org", "TXT", "v=DMARC1; p=reject")


def test_good_records_are_code_0_and_bad_ones_code_1(local: Program, dns_server: DnsServer, key_pem: bytes) -> None:
    """The record stands beneath its finding, ready to be pasted; once it is there, all is well."""
    configure(local, key_pem)
    fill(dns_server, key_pem)
    dns_server.set(PLACE, "TXT")
    ask = ("check", "--online", "--nameserver", dns_server.address, "--address", "9.9.9.9")

    bad = local.run(*ask)
    fill(dns_server, key_pem)
    good = local.run(*ask)

    assert (bad.code, good.code, good.err) == (1, 0, "")
    first, second = bad.err.splitlines()
    assert first == f"failed: DKIM of {PLACE}: there is no key: our signatures cannot be checked"
    assert second.startswith(f'      {PLACE}. TXT "v=DKIM1; k=rsa; p=')
    assert "ok: SPF of example.org: lets 9.9.9.9 send (ip4:9.9.9.9)" in good.out
    assert "ok: DMARC of _dmarc.example.org: p=reject" in good.out
    assert "signed by example.org (s1)" in good.out


def test_the_same_as_one_document(local: Program, dns_server: DnsServer, key_pem: bytes) -> None:
    """Every finding with its light; nothing else on standard output or error."""
    configure(local, key_pem)
    fill(dns_server, key_pem)
    dns_server.set("_dmarc.example.org", "TXT")
    ask = ("check", "--online", "--nameserver", dns_server.address, "--address", "9.9.9.9")

    result = local.run(*ask, "--json")
    fill(dns_server, key_pem)
    document = local.json(*ask)
    plain = local.json("check")

    bad = json.loads(result.out)
    (found,) = [finding for finding in bad["findings"] if finding["light"] == "failed"]
    assert (result.code, result.err, bad["ok"], document["ok"], plain["ok"]) == (1, "", False, True, True)
    assert (found["about"], found["name"]) == ("DMARC", "example.org")
    assert found["record"] == {
        "name": "_dmarc.example.org",
        "type": "TXT",
        "value": '"v=DMARC1; p=none; rua=mailto:dmarc@example.org"',
    }
    assert {finding["about"] for finding in document["findings"]} >= {
        "SPF", "DKIM", "DMARC", "MX", "PTR", "alignment", "mail", "database", "newsletter weekly",
    }  # fmt: skip
    assert {finding["about"] for finding in plain["findings"]} & {"SPF", "DKIM", "DMARC"} == set()


def test_mistakes_elsewhere_stay_code_2(local: Program, dns_server: DnsServer) -> None:
    """DNS that is bad beside a template that is bad."""
    configure(local)
    (local.folder / "templates").mkdir()
    (local.folder / "templates" / "front.html").write_text("{% if %}")

    result = local.run("check", "--online", "--nameserver", dns_server.address)

    assert result.code == 2
    assert "failed: templates: " in result.err
    assert "failed: SPF of example.org: there is no record" in result.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--address", "mail.example.org"], "failed: dns: --address: 'mail.example.org' is no IP address"),
        (["--nameserver", "nobody"], "failed: dns: no name server to ask: "),
    ],
)
def test_bad_use_is_one_line(local: Program, arguments: list[str], words: str) -> None:
    """No traceback."""
    configure(local)

    result = local.run("check", "--online", *arguments)

    assert (result.code, len(result.err.splitlines())) == (2, 1)
    assert result.err.startswith(words)


def make_locked() -> bytes:
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption

    key = generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"geheim"))


def make_short() -> bytes:
    return generate_private_key(65537, 1024).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (b"-----BEGIN PRIVATE KEY-----\nnothing\n-----END PRIVATE KEY-----\n", "is no private key in PEM form"),
        (make_locked(), "is locked with a password"),
        (make_short(), "has 1024 bits; receivers ask for 2048 or more"),
    ],
    ids=["nonsense", "locked", "short"],
)
def test_a_key_that_cannot_sign_is_told_before_the_first_issue(local: Program, key: bytes, words: str) -> None:
    """Without --online; with it no worse, and the key itself is never shown."""
    configure(local, key)

    result = local.run("check")
    online = local.run("check", "--online", "--nameserver", "127.0.0.1:9")

    assert (result.code, online.code) == (2, 2)
    assert result.err == f"failed: mail: mail.dkim: the key of {PLACE} {words}\n"
    assert f"failed: dns: mail.dkim: the key of {PLACE} {words}" in online.err


def test_mail_that_came_back_is_counted(local: Program, tmp_path: Path) -> None:
    """A Maildir is looked into; one that is none is named."""
    for name in ("cur", "new", "tmp"):
        (tmp_path / "Maildir" / name).mkdir(parents=True)
    (tmp_path / "Maildir" / "new" / "1.host").write_bytes(b"Subject: x\n\nx\n")
    bounces = {"address": "b@example.org", "maildir": str(tmp_path / "Maildir")}
    configure(local, bounces=bounces)
    good = local.run("check")
    configure(local, bounces={**bounces, "maildir": str(tmp_path / "nothing")})
    bad = local.run("check")

    assert "ok: bounces: 1 mail to be read" in good.out
    assert (bad.code, "failed: bounces: " in bad.err) == (2, True)
