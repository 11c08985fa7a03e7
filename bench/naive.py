"""The usual way to send a newsletter: each mail made by `email`, signed by dkimpy, handed over by smtplib.

    python bench/naive.py PORT MAILS FOLDER [KEY]

FOLDER holds ``mail.html`` and ``mail.txt``, as `send.py` puts them there; KEY is a private key, without one nothing is
signed. One line is kept open for all mails, nobody notes what was sent.
"""

from __future__ import annotations

import smtplib
import sys
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from pathlib import Path

HEADERS = ("From", "To", "Subject", "Date", "Message-ID", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post")


def make_mail(number: int, html: str, text: str) -> EmailMessage:
    """The mail of one subscriber."""
    url = f"https://news.example.org/unsubscribe/{number:032x}"
    mail = EmailMessage(policy=SMTP)
    mail["From"] = "AI Weekly <news@example.org>"
    mail["To"] = f"reader{number}@example.net"
    mail["Subject"] = "What happened this week"
    mail["Date"] = formatdate()
    mail["Message-ID"] = f"<2026-W48.{number:032x}@example.org>"
    mail["List-Id"] = "AI Weekly <weekly.example.org>"
    mail["List-Unsubscribe"] = f"<{url}>"
    mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    mail.set_content(text.replace("UNSUBSCRIBE", url), cte="quoted-printable")
    mail.add_alternative(html.replace("UNSUBSCRIBE", url), subtype="html", cte="quoted-printable")
    return mail


def main() -> None:
    """Send them all."""
    port, mails, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    html, text = (folder / "mail.html").read_text("utf-8"), (folder / "mail.txt").read_text("utf-8")
    key = Path(sys.argv[4]).read_bytes() if len(sys.argv) > 4 else b""
    with smtplib.SMTP("127.0.0.1", port, local_hostname="localhost") as server:
        for number in range(mails):
            data = make_mail(number, html, text).as_bytes()
            if key:
                import dkim

                names = [name.lower().encode() for name in HEADERS]
                data = dkim.sign(data, b"bench", b"example.org", key, include_headers=names) + data
            server.sendmail(f"b+d{number}@example.org", [f"reader{number}@example.net"], data)


if __name__ == "__main__":
    main()
