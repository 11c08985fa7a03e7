"""The shape of `mail:`: servers, signature, and where mail comes back to. Never reads a file."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, PrivateAttr, SecretStr

from aggregator.config.kinds import choice, number, text, whole
from aggregator.config.mail_words import BOUNCE_ADDRESS, DOMAIN, SELECTOR_NAME
from aggregator.config.section import Path_, Section, Word
from aggregator.config.words import DURATION, EMAIL, MAILBOX
from aggregator.model.settings import SmtpSettings


class Smtp(Section):
    """The server that takes the mail."""

    host: Annotated[str, text("a host name", limit=253)] = Field(description="Name of the mail server.")
    port: Annotated[int, whole("a port", least=1, most=65_535)] | None = Field(
        None, description="Default: 587 with starttls, 465 with implicit, 25 with none."
    )
    username: Word = Field("", description="Log in as; default: no login.")
    password_file: Path_ = Field("", description="File whose first line is the password.")
    tls: Annotated[
        Literal["starttls", "implicit", "opportunistic", "none"],
        choice("starttls", "implicit", "opportunistic", "none"),
    ] = Field("starttls", description="How the line is encrypted; a server that cannot is not used.")
    connections: Annotated[int, whole("a number of lines", least=1, most=200)] = Field(
        10, description="Lines that are open at one time."
    )

    _password: SecretStr = PrivateAttr(default=SecretStr(""))

    @property
    def password(self) -> SecretStr:
        """From ``password_file`` or the environment; never in the YAML file itself."""
        return self._password

    def build_settings(self) -> SmtpSettings:
        """For the mailer."""
        default = {"implicit": 465, "none": 25}.get(self.tls, 587)
        return SmtpSettings(
            host=self.host,
            port=self.port or default,
            username=self.username,
            password=self.password.get_secret_value(),
            tls=self.tls,
            connections=self.connections,
        )


class Dkim(Section):
    """The signature of every mail (RFC 6376)."""

    domain: Annotated[str, DOMAIN] = Field(description="The domain that signs: that of the sender.")
    selector: Annotated[str, SELECTOR_NAME] = Field(description="The key's name in DNS.")
    key_file: Path_ = Field(description="File with the private RSA key, PEM.")

    _key_pem: SecretStr = PrivateAttr(default=SecretStr(""))

    @property
    def key_pem(self) -> bytes:
        """What ``key_file`` holds."""
        return self._key_pem.get_secret_value().encode("ascii")


class Imap(Section):
    """A mailbox on a server."""

    host: Annotated[str, text("a host name", limit=253)] = Field(description="Name of the server.")
    port: Annotated[int, whole("a port", least=1, most=65_535)] | None = Field(
        None, description="Default: 993 with implicit, else 143."
    )
    username: Word = Field(description="Log in as.")
    password_file: Path_ = Field("", description="File whose first line is the password.")
    tls: Annotated[Literal["starttls", "implicit", "none"], choice("starttls", "implicit", "none")] = Field(
        "implicit", description="How the line is encrypted."
    )
    folder: Word = Field("INBOX", description="The folder that is read.")

    _password: SecretStr = PrivateAttr(default=SecretStr(""))

    @property
    def password(self) -> SecretStr:
        """From ``password_file`` or the environment; never in the YAML file itself."""
        return self._password


class Bounces(Section):
    """Where mail that cannot be delivered comes back to."""

    address: Annotated[str, BOUNCE_ADDRESS] = Field(description="Return paths are made of it: b@ becomes b+something@.")
    maildir: Path_ = Field("", description="Maildir that is read.")
    imap: Imap | None = Field(None, description="Mailbox that is read, instead of a Maildir.")
    soft_limit: Annotated[int, whole("a number of bounces", least=1, most=100)] = Field(
        5, description="So many bounces of a passing kind end a subscription."
    )
    soft_within: Annotated[timedelta, DURATION] = Field(timedelta(days=30), description="Within so long.")


class Mail(Section):
    """How mail leaves."""

    sender: Annotated[str, MAILBOX] = Field(
        "", alias="from", description="Sender; needed as soon as there is a newsletter."
    )
    reply_to: Annotated[str, EMAIL] = Field("", description="Where answers go; default: to the sender.")
    outbox: Path_ = Field(
        "", description="Folder that mails are written to instead of being sent; default: var/outbox."
    )
    smtp: Smtp | None = Field(None, description="The server that takes the mail, instead of an outbox.")
    fallback: Smtp | None = Field(None, description="A second server, used while the first one cannot be reached.")
    rate: Annotated[float, number("mails a second", least=0, most=10_000)] = Field(
        0.0, description="Mails a second at most; 0: no limit."
    )
    domain_rates: dict[Annotated[str, DOMAIN], Annotated[float, number("mails a second", least=0.001, most=10_000)]] = (
        Field(default_factory=dict, description="Mails a second at most to addresses of one domain.")
    )
    uncertain: Annotated[Literal["resend", "hold"], choice("resend", "hold")] = Field(
        "resend", description="What is done with a mail whose acceptance was never heard of."
    )
    processes: Annotated[int, whole("a number of processes", least=1, most=16)] = Field(
        1, description="Processes that send a large issue."
    )
    dkim: Dkim | None = Field(None, description="Signs every mail.")
    bounces: Bounces | None = Field(None, description="Where mail that cannot be delivered comes back to.")
