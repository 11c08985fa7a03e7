"""Signatures as another program checks them: dkimpy, with our key in a pretended DNS."""

from __future__ import annotations

import re
import subprocess
from email import message_from_bytes, policy
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.errors import SenderRefused
from aggregator.mail.dkim import OVERSIGNED, Signer, build_signer
from aggregator.mail.message import message_id, write_letter
from aggregator.model.newsletter import PREFERENCES_TOKEN, UNSUBSCRIBE_TOKEN
from aggregator.model.settings import DkimSettings
from aggregator.model.subscriber import Message
from aggregator.pipeline.words import header_text
from tests.mail.mails import (
    HEADERS,
    NOW,
    PREFERENCES,
    UNSUBSCRIBE,
    find_record,
    make_key,
    make_signer,
    personalise,
    prepare,
    receive,
)

ENGLISH = {"html": f'<p>Plain words <a href="{UNSUBSCRIBE_TOKEN}">out</a> {PREFERENCES_TOKEN}</p>', "text": "Plain."}
#: From the shortest to the longest that a header must hold; blanks in rows, both encodings.
SUBJECTS = ["x", "Three labs,   one week ", "半導体の春、規制の冬" * 9, "a" * 150, "naïve " * 25]


def verify(data: bytes) -> bool:
    return bool(dkim.verify(data, dnsfunc=find_record))


def make_mail(**changes: str) -> Message:
    return prepare(signer=make_signer(), **changes).personalise(
        address="reader@example.net",
        message_id=message_id("2026-W48", "abc", "news.example.org"),
        unsubscribe_url=UNSUBSCRIBE,
        preferences_url=PREFERENCES,
        date=NOW,
        return_path="b+d17-plufxzt2d44chgld@bounce.example.org",
        unsubscribe_mail="b+u9-plufxzt2d44chgld@bounce.example.org",
    )


def make_letter(subject: str, body: str, *, is_plain: bool = False) -> Message:
    return write_letter(
        subject=subject,
        html="" if is_plain else f"<p>{body}</p>",
        text=body,
        sender="週刊AI <news@news.example.org>",
        recipient="reader@example.net",
        message_id="<letter.abc@news.example.org>",
        date=NOW,
        unsubscribe_url=UNSUBSCRIBE,
        signer=make_signer(),
    )


def read_tags(data: bytes) -> dict[str, str]:
    """Of the signature: each tag, its blanks taken out."""
    value = re.sub(r"\s", "", message_from_bytes(data, policy=policy.compat32)["DKIM-Signature"])
    return dict(pair.split("=", 1) for pair in value.split(";"))


@pytest.mark.parametrize("subject", SUBJECTS, ids=ascii)
@pytest.mark.parametrize("parts", [{}, ENGLISH], ids=["Japanese", "English"])
def test_an_issue_verifies(subject: str, parts: dict[str, str]) -> None:
    """Whichever encodings were chosen, however the headers are folded; and it is still the mail that we mean."""
    mail = make_mail(subject=subject, **parts)

    assert verify(mail.data)
    assert receive(mail).keys() == ["DKIM-Signature", *HEADERS]


@pytest.mark.parametrize("subject", SUBJECTS, ids=ascii)
def test_a_letter_verifies(subject: str) -> None:
    """Its own headers, its own words."""
    for body in ("Please confirm: https://news.example.org/confirm/abc", "確認してください。" * 30):
        letter = make_letter(subject, body)

        assert verify(letter.data)
        assert receive(letter)["From"].addresses[0].display_name == "週刊AI"


def test_a_mail_of_text_alone_verifies() -> None:
    """One part, in whichever encoding is the smaller one."""
    for body in ("A feed needs you.\n.\nFrom here on it fails\n", "フィードが読めません。\n" * 30):
        letter = make_letter("An alert", body, is_plain=True)
        received = receive(letter)

        assert verify(letter.data)
        assert received.get_content_type() == "text/plain"
        assert received.get_content().splitlines() == body.splitlines()


@settings(max_examples=60)
@given(
    st.text(max_size=120).map(header_text),
    st.from_regex(r"[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,64}@[a-z0-9-]{1,30}x\.example", fullmatch=True),
    st.from_regex(r"https://news\.example\.org/u/[A-Za-z0-9._-]{1,90}", fullmatch=True),
    st.text(st.sampled_from("ab =.\t\r\né日😀\x00-@"), max_size=200),
)
def test_whatever_is_in_it_verifies(subject: str, address: str, url: str, text: str) -> None:
    """Canonical forms are made piece by piece here, and of the whole mail by whoever reads it."""
    if address.partition("@")[2].startswith("-"):
        address = f"a@b{address.partition('@')[2]}"
    prepared = prepare(signer=make_signer(), subject=subject, text=f"{text}{UNSUBSCRIBE_TOKEN}{text}", html=text * 3)
    mail = prepared.personalise(
        address=address, message_id="<2026-W48.abc@news.example.org>", unsubscribe_url=url, date=NOW
    )

    assert verify(mail.data)


def test_the_same_twice_is_the_same_bytes() -> None:
    """A repeated mail is a repeated mail, its signature included."""
    prepared = prepare(signer=make_signer())

    assert personalise(prepared) == personalise(prepared) == personalise(prepare(signer=make_signer()))


def test_every_reader_has_a_signature_of_their_own() -> None:
    """One preparation, many mails: none spoils the next one's."""
    prepared = prepare(signer=make_signer())
    mails = [personalise(prepared, f"reader{number}@example.net", f"id{number}") for number in range(20)]

    assert all(verify(mail.data) for mail in mails)
    assert len({read_tags(mail.data)["b"] for mail in mails}) == 20


def test_the_signature_covers_all_that_we_write() -> None:
    """Each header once, and those once more that nobody may add; no length, a time."""
    tags = read_tags(make_mail().data)

    assert (tags["v"], tags["a"], tags["c"]) == ("1", "rsa-sha256", "relaxed/relaxed")
    assert (tags["d"], tags["s"], tags["t"]) == ("example.org", "s1", str(int(NOW.timestamp())))
    assert sorted(tags["h"].split(":")) == sorted([*HEADERS, *OVERSIGNED])
    assert {"List-Unsubscribe", "List-Unsubscribe-Post"} <= set(OVERSIGNED)
    assert "l" not in tags
    assert read_tags(make_letter("x", "y").data)["h"].split(":").count("List-Unsubscribe-Post") == 0


def test_what_a_relay_may_do_leaves_it_valid() -> None:
    """Headers of its own, other folds, blanks at the ends of lines: that is what "relaxed" is for."""
    data = make_mail(subject=SUBJECTS[2], **ENGLISH).data
    head, _, body = data.partition(b"\r\n\r\n")
    head = b"Received: from here by there; x\r\nReturn-Path: <b@bounce.example.org>\r\n" + head
    head = head.replace(b"\r\n ", b" \r\n\t ").replace(b"Reply-To: ", b"reply-TO:   ")

    assert verify(head + b"\r\n\r\n" + body.replace(b"Plain.\r\n", b"Plain. \t\r\n") + b"\r\n\r\n")


@pytest.mark.parametrize("name", HEADERS)
def test_a_changed_header_breaks_it(name: str) -> None:
    """Whichever of ours."""
    data = make_mail().data
    changed = re.sub(rb"(?m)^(%b: *)" % name.encode(), rb"\1x", data, count=1)

    assert changed != data
    assert not verify(changed)


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_taken_away_breaks_it(name: str) -> None:
    """One-click must not be cut off (RFC 8058 4), nor anything else."""
    data = make_mail().data
    head, _, body = data.partition(b"\r\n\r\n")
    cut = re.sub(rb"(?m)^%b:.*\r\n([ \t].*\r\n)*" % name.encode(), b"", head + b"\r\n", count=1)

    assert cut != head + b"\r\n"
    assert not verify(cut + b"\r\n" + body)


@pytest.mark.parametrize("line", ["From: v@example.com", "Subject: other", "To: v@example.com",
                                  "List-Unsubscribe: <https://v.example/>", "List-Unsubscribe-Post: x"])  # fmt: skip
def test_a_second_header_breaks_it(line: str) -> None:
    """Programs differ in which of two they show: above ours, or below."""
    data = make_mail().data
    head, _, body = data.partition(b"\r\n\r\n")

    assert not verify(line.encode() + b"\r\n" + data)
    assert not verify(head + b"\r\n" + line.encode() + b"\r\n\r\n" + body)


def test_a_changed_token_or_octet_breaks_it() -> None:
    """In the link to unsubscribe, in the first gap and in the last, in text and in HTML; and nothing may follow."""
    data = make_mail(**ENGLISH).data
    begin = data.index(b"\r\n\r\n") + 4

    assert verify(data)
    for place in range(begin, len(data), 7):
        changed = bytearray(data)
        changed[place] ^= 1
        # Blanks turned into "!" and back are changes; a line end is no longer one.
        assert not verify(bytes(changed))
    assert not verify(data.replace(b"s" * 43, b"s" * 42 + b"t"))
    assert not verify(data + b"Buy this.\r\n")


def test_without_settings_nobody_signs() -> None:
    """A relay may sign; the mail is the same but for the signature."""
    assert build_signer(None) is None
    plain, signed = personalise(prepare()).data, personalise(prepare(signer=make_signer())).data
    assert re.sub(rb"\ADKIM-Signature:.*\r\n([ \t].*\r\n)*", b"", signed) == plain


def write_pem(key: PrivateKeyTypes, password: bytes = b"") -> bytes:
    lock = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)


def list_bad_keys() -> dict[str, tuple[bytes, str]]:
    """Name, key file, what is said of it."""
    good = make_key()
    public = good.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return {
        "empty": (b"", "no private key in PEM form"),
        "no PEM": (b"\x00\xffnot a key", "no private key in PEM form"),
        "DER": (good.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()), "no private key in PEM form"),
        "half": (write_pem(good)[:300], "no private key in PEM form"),
        "public": (public, "no private key in PEM form"),
        "1024 bits": (write_pem(rsa.generate_private_key(65537, 1024)), "has 1024 bits; receivers ask for 2048"),
        "elliptic": (write_pem(ec.generate_private_key(ec.SECP256R1())), "must be an RSA key, this is EC"),
        "Edwards": (write_pem(ed25519.Ed25519PrivateKey.generate()), "must be an RSA key, this is Ed25519"),
        "locked": (write_pem(good, b"secret"), "locked with a password"),
    }


@pytest.mark.parametrize(
    "name", ["empty", "no PEM", "DER", "half", "public", "1024 bits", "elliptic", "Edwards", "locked"]
)
def test_a_key_that_cannot_sign_is_named(name: str) -> None:
    """One sentence with the name that the editor knows from DNS, and nothing of the key."""
    pem, sentence = list_bad_keys()[name]
    with pytest.raises(SenderRefused, match=r"s1\._domainkey\.example\.org") as caught:
        Signer(DkimSettings(domain="example.org", selector="s1", key_pem=pem))

    assert sentence in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 130


def test_keys_of_both_old_and_new_form_sign() -> None:
    """What ``openssl genrsa`` wrote in each of its versions."""
    old = make_key().private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    signer = Signer(DkimSettings(domain="example.org", selector="s1", key_pem=old))

    assert personalise(prepare(signer=signer)) == personalise(prepare(signer=make_signer()))


@pytest.mark.parametrize(
    ("domain", "selector"),
    [("", "s1"), ("exam ple.org", "s1"), ("example.org;", "s1"), ("example.org", ""), ("example.org", "s 1"),
     ("example.org", "a;d=x"), ("example.org\r\n", "s1"), ("bücher.example", "s1")],
)  # fmt: skip
def test_a_name_that_is_none_is_refused(domain: str, selector: str) -> None:
    """It would stand in the header as it is."""
    with pytest.raises(SenderRefused, match=r"mail\.dkim"):
        Signer(DkimSettings(domain=domain, selector=selector, key_pem=b""))


def test_the_commands_of_the_docs_make_a_key_and_its_record(tmp_path: Path) -> None:
    """Word for word; what the last one prints is the record's p=."""
    page = Path(__file__).parents[2].joinpath("docs", "newsletter-mail.md").read_text("utf-8")
    commands = re.findall(r"(?m)^    (openssl .*|chmod .*)$", page)
    assert len(commands) == 3
    printed = [subprocess.run(["sh", "-ec", line], cwd=tmp_path, check=True, capture_output=True) for line in commands]
    record = b"v=DKIM1; k=rsa; p=" + printed[-1].stdout
    key = (tmp_path / "dkim.pem").read_bytes()
    signer = Signer(DkimSettings(domain="example.org", selector="s2026", key_pem=key))

    assert dkim.verify(personalise(prepare(signer=signer)).data, dnsfunc=lambda name, timeout=0: record)
    assert not dkim.verify(personalise(prepare(signer=make_signer())).data, dnsfunc=lambda name, timeout=0: record)
