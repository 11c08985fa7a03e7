"""A look at what the world sees of our mail: which names to ask about, and DNS asked. Never sends, never stores."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from aggregator.errors import UsageError
from aggregator.mail.dkim import build_signer
from aggregator.mail.dns import MailNames, find_faults, write_public_key
from aggregator.mail.headers import read_mailbox
from aggregator.mail.resolver import open_resolver
from aggregator.model.finding import Finding
from aggregator.model.settings import Settings
from aggregator.tasks.domains import open_domains


def look_at_dns(
    settings: Settings, *, servers: Sequence[str], addresses: Sequence[str], nameserver: str
) -> tuple[Finding, ...]:
    """Findings about every sender, the way back, the signature and the ``servers`` that mail leaves by.

    Raises UsageError when there is nothing to ask about, or nobody to ask.
    """
    for text in addresses:
        try:
            ipaddress.ip_address(text)
        except ValueError:
            raise UsageError(f"--address: {text!r} is no IP address") from None
    names = list_names(settings, servers=servers, addresses=addresses)
    if not names.senders:
        raise UsageError("there is no sender to ask about: set mail.from")
    find_domain = open_domains()
    return find_faults(names, open_resolver(nameserver), lambda name: find_domain(name) or name)


def list_names(settings: Settings, *, servers: Sequence[str] = (), addresses: Sequence[str] = ()) -> MailNames:
    """What is to be looked up. Raises SenderRefused for a key that cannot sign."""
    mail = settings.mail
    build_signer(mail.dkim)
    mailboxes = [*(newsletter.sender or mail.sender for newsletter in settings.newsletters), mail.sender]
    senders = tuple(dict.fromkeys(_get_domain(mailbox) for mailbox in mailboxes if mailbox))
    back = mail.bounces.address.rpartition("@")[2].lower() if mail.bounces else ""
    return MailNames(
        senders=senders,
        envelopes=(back,) if back else senders,
        bounce_domain=back,
        dkim_domain=mail.dkim.domain if mail.dkim else "",
        dkim_selector=mail.dkim.selector if mail.dkim else "",
        public_key=write_public_key(mail.dkim.key_pem) if mail.dkim else "",
        servers=tuple(servers),
        addresses=tuple(addresses),
    )


def _get_domain(mailbox: str) -> str:
    return read_mailbox("From", mailbox)[1].rpartition("@")[2].lower()
