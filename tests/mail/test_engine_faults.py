"""Any mix of faults: whatever servers do, every row ends where it belongs and no promise to the ledger is broken."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

import pytest

from aggregator.errors import MailUnavailable, SenderRefused
from aggregator.mail.smtp import SmtpMailer
from tests.fixtures.mail_ledger import MailLedger, make_mailer, read_key
from tests.fixtures.smtp_server import Drop, Reply, SmtpServer

Make = Callable[..., SmtpServer]
MAILS = 100
#: Where, what, and whether only for one recipient.
FAULTS: list[tuple[str, Reply, bool]] = [
    ("CONNECT", "421 4.3.2 busy", False),
    ("CONNECT", Drop(), False),
    ("EHLO", "421 4.3.2 busy", False),
    ("EHLO", Drop(), False),
    ("MAIL", "421 4.7.0 enough", False),
    ("MAIL", "451 4.3.0 later", False),
    ("MAIL", Drop(), False),
    ("RCPT", "450 4.2.0 greylisted", True),
    ("RCPT", "550 5.1.1 unknown", True),
    ("RCPT", "552 5.2.2 full", True),
    ("RCPT", "421 4.7.0 enough", False),
    ("RCPT", Drop(), False),
    ("RCPT", "not SMTP", False),
    ("DATA", "451 4.3.0 later", False),
    ("DATA", "354 go on", False),
    ("DATA", Drop(), False),
    ("BODY", Drop(after_bytes=10), False),
    ("DOT", "451 4.2.0 later", False),
    ("DOT", "550 5.1.1 unknown after all", False),
    ("DOT", "421 4.3.2 closing", False),
    ("DOT", "garbage", False),
    ("DOT", Drop(), False),
    ("DOT", Drop(accept=True), False),
    ("DOT", "550 5.7.1 we do not like you", False),
    ("RSET", Drop(), False),
    ("QUIT", Drop(), False),
]


def plan_faults(chance: random.Random, server: SmtpServer) -> None:
    """Some faults at steps to come; each is used once, or a few times."""
    for step, reply, is_personal in chance.choices(FAULTS, k=chance.randrange(1, 30)):
        to = f"r{chance.randrange(MAILS)}@example.net" if is_personal else ""
        server.answer(step, reply, to=to, times=chance.choice([1, 1, 1, 2, 5]))


def deliver_all(mailer: SmtpMailer, ledger: MailLedger) -> list[str]:
    """Deliver until nothing is due any more; how each time ended."""
    endings: list[str] = []
    while len(endings) < 100 and endings[-1:] != ["nothing more is due"]:
        try:
            endings.append(mailer.deliver(ledger.rows))
        except (MailUnavailable, SenderRefused) as error:
            endings.append(type(error).__name__)
        ledger.hand_back()
    return endings


def run(seed: int, make_smtp_server: Make) -> None:
    """Deliver through two bad servers, again and again until the ledger has no more, and look at every row."""
    chance = random.Random(seed)
    servers = [
        make_smtp_server(
            pipelining=chance.random() < 0.7,
            tls=seed % 5 == 0,
            drip=chance.random() < 0.1,
            max_mails=chance.choice([1, 3, 20, 1_000]),
            max_lines=chance.choice([1, 3, 1_000]),
        )
        for _ in range(2)
    ]
    ledger = MailLedger(MAILS, forbidden=set(chance.sample(range(MAILS), chance.choice([0, 0, 5]))))
    for server in servers:
        ledger.watch(server)
        plan_faults(chance, server)
    servers[0].client_context, tls = servers[1].client_context, "opportunistic" if seed % 5 == 0 else "none"
    ledger.on_commit = lambda number: plan_faults(chance, servers[0]) if number == 20 else None
    mailer = make_mailer(*servers, tls=tls, connections=chance.choice([1, 2, 7]))

    endings = deliver_all(mailer, ledger)
    accepted = Counter(read_key(mail.recipients[0]) for server in servers for mail in server.mails)
    count = ledger.count()

    assert endings[-1] == "nothing more is due"
    assert sum(count.values()) == MAILS
    assert "untouched" not in count
    assert not [key for key, times in accepted.items() if times > 1]
    assert set(ledger.find("accepted")) <= set(accepted)
    assert set(accepted) <= set(ledger.find("accepted")) | set(ledger.find("MailUncertain"))
    assert set(ledger.find("forbidden")) <= set(ledger.forbidden)
    assert not set(accepted) & set(ledger.forbidden)
    assert all(server.early == [] for server in servers)


@pytest.mark.parametrize("seed", range(12))
def test_every_row_ends_where_it_belongs(make_smtp_server: Make, seed: int) -> None:
    """A hundred mails, two servers, up to sixty faults."""
    run(seed, make_smtp_server)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(1_000, 1_400))
def test_every_row_ends_where_it_belongs_for_long(make_smtp_server: Make, seed: int) -> None:
    """The same with many other seeds."""
    run(seed, make_smtp_server)
