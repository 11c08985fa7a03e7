"""What one reader's mail costs: built once and spliced, next to the usual way of building and signing each.

    python bench/personalise.py [--mails 2000] [--stories 30]

CPU time of one process, best of five turns, nothing is sent. "links" are the two signed web addresses and the two mail
addresses of a reader, which the mail is then given; the usual way is EmailMessage and dkimpy. Exit code 1: what was
signed does not verify, or a splice is no cheaper than RSA.
"""

from __future__ import annotations

import argparse
import sys
import time
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from functools import partial
from typing import Any

import dkim
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from aggregator.mail.addresses import delivery_address, unsubscribe_address
from aggregator.mail.dkim import Signer
from aggregator.mail.message import PreparedMessage, message_id, prepare_message
from aggregator.model.newsletter import PREFERENCES_TOKEN, UNSUBSCRIBE_TOKEN
from aggregator.model.settings import DkimSettings
from aggregator.tokens import sign_token

NOW = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
SECRET = b"k" * 32
SENDER = "AI Weekly <news@news.example.org>"
BOUNCES = "b@bounce.example.org"
WORDS = {
    "English": "Four models for four kinds of work: the smallest runs on a phone, the largest plans for hours. " * 3,
    "Japanese": "クモクラウドは木曜日、自社で設計した推論用チップを一般の顧客にも開放すると発表した。" * 3,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mails", type=int, default=2000)
    parser.add_argument("--stories", type=int, default=30)
    given = parser.parse_args()
    key = generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    signer = Signer(DkimSettings(domain="example.org", selector="s1", key_pem=pem))
    rsa = measure(lambda _: key.sign(bytes(1500), PKCS1v15(), SHA256()), given.mails)
    links = measure(make_links, given.mails)
    print("| us a mail | bytes | links | splice | splice and sign | of that RSA | EmailMessage | with dkimpy |")
    print("|---|---|---|---|---|---|---|---|")
    sound = True
    for language, words in WORDS.items():
        html, text = write_issue(words, given.stories)
        plain, signed = prepare(html, text, None), prepare(html, text, signer)
        mail = fill(signed, 1)
        sound &= bool(dkim.verify(mail, dnsfunc=lambda *_, **__: make_record(key)))
        splice, sign = measure(partial(fill, plain), given.mails), measure(partial(fill, signed), given.mails)
        naive, slow = measure(partial(build, html, text), 50), measure(partial(build, html, text, pem=pem), 10)
        sound &= splice < rsa
        cells = (f"{len(mail):,}", *(f"{figure:,.0f}" for figure in (links, splice, sign, rsa, naive, slow)))
        print(f"| {language}, {given.stories} stories | " + " | ".join(cells) + " |")
    sys.exit(not sound)


def measure(do: Callable[[int], Any], times: int) -> float:
    """Microseconds of CPU for each call."""
    best = float("inf")
    for _ in range(5):
        begin = time.process_time()
        for number in range(1, times + 1):
            do(number)
        best = min(best, (time.process_time() - begin) / times)
    return best * 1e6


def write_issue(words: str, stories: int) -> tuple[str, str]:
    """HTML and text of an invented issue, about as much markup a story as the program's template has."""
    style = 'style="margin:6px 0 0;font-size:14px;line-height:1.5;color:#62615a"'
    told = [
        f'<p {style}>Harbour Wire, 5 min</p>\n<h2 {style}><a href="https://wire.example.com/posts/{number}" {style}>'
        f'{words[:60]}</a></h2>\n<p {style}>{words}</p>\n<p {style}><a href="https://news.example.org/tags/chips">chips</a></p>'
        for number in range(stories)
    ]
    leave = f'<p><a href="{UNSUBSCRIBE_TOKEN}">Unsubscribe</a> <a href="{PREFERENCES_TOKEN}">Preferences</a></p>'
    text = "\n\n".join(f"{words[:60]}\n{words}\nhttps://wire.example.com/posts/{number}" for number in range(stories))
    return (
        "<html><body>\n" + leave + "\n".join(told) + leave + "</body></html>",
        f"{text}\n\n{UNSUBSCRIBE_TOKEN}\n{PREFERENCES_TOKEN}\n",
    )


def prepare(html: str, text: str, signer: Signer | None) -> PreparedMessage:
    return prepare_message(
        newsletter="ai-weekly",
        issue_slug="2026-W48",
        subject="Three labs, one week",
        html=html,
        text=text,
        sender=SENDER,
        list_title="AI Weekly",
        list_id_domain="news.example.org",
        archive_url="https://news.example.org/issues/ai-weekly/",
        signer=signer,
    )


def make_links(number: int) -> dict[str, str]:
    """All that is a reader's own."""
    public_id = f"q8Zk1-_x{number:014d}"
    return {
        "message_id": message_id("2026-W48", public_id, "news.example.org"),
        "unsubscribe_url": f"https://news.example.org/unsubscribe/{sign_token(SECRET, 'unsubscribe', public_id)}",
        "preferences_url": f"https://news.example.org/preferences/{sign_token(SECRET, 'preferences', public_id)}",
        "return_path": delivery_address(SECRET, BOUNCES, number),
        "unsubscribe_mail": unsubscribe_address(SECRET, BOUNCES, number),
    }


_LINKS = make_links(1)


def fill(prepared: PreparedMessage, number: int) -> bytes:
    return prepared.personalise(address=f"reader{number}@example.net", date=NOW, **_LINKS).data


def build(html: str, text: str, number: int, *, pem: bytes = b"") -> bytes:
    """The usual way: a new EmailMessage for each reader, signed by dkimpy when there is a key."""
    mail = EmailMessage(policy=policy.SMTP)
    for name, value in (("From", SENDER), ("To", f"reader{number}@example.net"), ("Subject", "Three labs, one week")):
        mail[name] = value
    mail["List-Unsubscribe"] = f"<{_LINKS['unsubscribe_url']}>"
    mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    mail.set_content(text.replace(UNSUBSCRIBE_TOKEN, _LINKS["unsubscribe_url"]))
    mail.add_alternative(html.replace(UNSUBSCRIBE_TOKEN, _LINKS["unsubscribe_url"]), subtype="html")
    data = mail.as_bytes()
    if pem:
        data = dkim.sign(data, b"s1", b"example.org", pem, canonicalize=(b"relaxed", b"relaxed")) + data
    return data


def make_record(key: RSAPrivateKey) -> bytes:
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return b"v=DKIM1; k=rsa; p=" + b64encode(public)


if __name__ == "__main__":
    main()
