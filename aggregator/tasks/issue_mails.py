"""The mail of each recipient of one frozen issue, made of the bytes of the variant that he wishes. Never sends."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime

from aggregator.app import App
from aggregator.errors import NotFound
from aggregator.mail.addresses import delivery_address, unsubscribe_address
from aggregator.mail.dkim import build_signer
from aggregator.mail.message import PreparedMessage, get_sender_domain, message_id, prepare_message
from aggregator.model.ids import IssueId
from aggregator.model.newsletter import Issue, Newsletter, RenderedIssue
from aggregator.model.subscriber import Delivery, Message
from aggregator.pipeline.words import header_text
from aggregator.storage import issues, meta
from aggregator.tasks.personal_links import preferences_url, unsubscribe_url

#: Variants whose bytes are kept ready; each is a few hundred KB.
KEPT = 12


class IssueMails:
    """Made once for an issue and process."""

    def __init__(self, app: App, issue_id: IssueId, *, draft: RenderedIssue | None = None) -> None:
        """Raises `NotFound` for an issue that is not frozen, `SenderRefused` when nothing right can be made of it.

        ``draft``: the bytes of one that is not, for a test.
        """
        with app.db.read() as conn:
            issue, whole = issues.get_by_id(conn, issue_id), draft or issues.get_rendered(conn, issue_id)
            self._key = meta.get_identity(conn).signing_key
        if issue is None or whole is None:
            raise NotFound(f"issue {issue_id} is not frozen")
        self.issue: Issue = issue
        self._app = app
        self._newsletter = _find_newsletter(app, issue.newsletter)
        self._sender = self._newsletter.sender or app.settings.mail.sender
        self.domain = get_sender_domain(self._sender)
        self._signer = build_signer(app.settings.mail.dkim)
        bounces = app.settings.mail.bounces
        self._base = bounces.address if bounces else ""
        self.whole = whole
        self._prepared: OrderedDict[str, PreparedMessage] = OrderedDict({"": self.prepare(whole)})

    def write(self, delivery: Delivery, now: datetime) -> Message:
        """Return the mail of one row; raises `RecipientRefused` for an address that no mail can go to."""
        site_url, key, base = self._app.settings.site.url, self._key, self._base
        return self._get_prepared(delivery.variant).personalise(
            address=delivery.address,
            message_id=message_id(self.issue.slug, delivery.public_id, self.domain),
            unsubscribe_url=unsubscribe_url(site_url, key, delivery.public_id),
            preferences_url=preferences_url(site_url, key, delivery.public_id, delivery.address),
            date=now,
            return_path=delivery_address(key, base, delivery.id) if base else "",
            unsubscribe_mail=unsubscribe_address(key, base, delivery.subscription_id) if base else "",
        )

    def _get_prepared(self, variant: str) -> PreparedMessage:
        known = self._prepared.get(variant)
        if known is None:
            with self._app.db.read() as conn:
                rendered = issues.get_rendered(conn, self.issue.id, variant)
            # Who has other wishes since the issue was frozen gets the whole of it.
            known = self.prepare(rendered) if rendered and rendered.mail_html else self._prepared[""]
            self._prepared[variant] = known
            if len(self._prepared) > KEPT:
                del self._prepared[next(name for name in self._prepared if name)]
        return known

    def prepare(self, rendered: RenderedIssue, *, mark: str = "") -> PreparedMessage:
        """The bytes of a variant with its gaps; ``mark`` stands before the subject."""
        settings, newsletter = self._app.settings, self._newsletter
        site_url = settings.site.url
        return prepare_message(
            newsletter=newsletter.slug,
            issue_slug=self.issue.slug,
            subject=header_text(f"{mark} {rendered.subject}" if mark else rendered.subject),
            html=rendered.mail_html,
            text=rendered.mail_text,
            sender=self._sender,
            reply_to=newsletter.reply_to or settings.mail.reply_to,
            list_title=newsletter.title,
            list_id_domain=self.domain,
            archive_url=f"{site_url}/issues/{newsletter.slug}",
            help_url=f"{site_url}/privacy",
            subscribe_url=f"{site_url}/subscribe" if newsletter.is_open else "",
            signer=self._signer,
        )


def _find_newsletter(app: App, slug: str) -> Newsletter:
    """As configured; of one that is configured no more, what its mail needs."""
    for newsletter in app.settings.newsletters:
        if newsletter.slug == slug:
            return newsletter
    return Newsletter(slug=slug, title=app.settings.site.title, schedule="", timezone="UTC", is_open=False)
