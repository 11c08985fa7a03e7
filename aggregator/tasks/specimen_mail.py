"""One copy of a frozen issue to somebody who wants to see it. Never touches the ledger."""

from __future__ import annotations

import secrets

from aggregator.app import App
from aggregator.mail.message import message_id
from aggregator.mail.single import send_one
from aggregator.model.ids import IssueId
from aggregator.model.newsletter import RenderedIssue
from aggregator.tasks.issue_mails import IssueMails
from aggregator.tasks.subscribe import clean_email

MARK = "[Test]"


def send_test(app: App, issue_id: IssueId, address: str, *, draft: RenderedIssue | None = None) -> str:
    """Mail it to ``address``; return the server's words. ``draft``: of an issue that is not frozen yet, as it is now.

    Its personal links lead to nobody's pages: who forwards a test cannot be made to leave. Raises `UsageError` for no
    address, `NotFound` for an issue that is not frozen, the `MailError` family.
    """
    recipient, site_url = clean_email(address), app.settings.site.url
    mails = IssueMails(app, issue_id, draft=draft)
    message = mails.prepare(mails.whole, mark=MARK).personalise(
        address=recipient,
        message_id=message_id(mails.issue.slug, f"test-{secrets.token_hex(8)}", mails.domain),
        unsubscribe_url=f"{site_url}/unsubscribe/test",
        preferences_url=f"{site_url}/preferences/test",
        date=app.now(),
    )
    return send_one(app.mailer.deliver, message)
