"""Tables of newsletters: issues, who gets them, the ledger of deliveries. Never of what is in the news."""

from __future__ import annotations

import sqlalchemy as sa

from aggregator.model.newsletter import IssueState, Section
from aggregator.model.subscriber import BounceKind, DeliveryState, LetterKind, LetterState, SubscriptionState
from aggregator.storage.schema.columns import (
    Id,
    instant,
    later_text,
    make_folded,
    make_id,
    make_tries,
    metadata,
    number,
    one_of,
    points_to,
    text,
)

issues = sa.Table(
    "issues",
    metadata,
    make_id(),
    text("newsletter"),
    text("slug"),
    instant("slot_at"),
    instant("window_start"),
    instant("window_end"),
    text("state"),
    text("reason"),
    text("subject"),
    instant("created_at"),
    instant("frozen_at", optional=True),
    instant("sent_at", optional=True),
    # Of a draft: when review ends, when the editor approved it, and what was changed by hand (`model.IssueEdits`).
    instant("review_until", optional=True),
    instant("approved_at", optional=True),
    sa.Column("edits", sa.JSON(none_as_null=True), nullable=True),
    # Why sending rests, and until when; no instant: until the editor says so.
    later_text("paused_reason"),
    instant("paused_until", optional=True),
    one_of("state", IssueState),
    sa.UniqueConstraint("newsletter", "slot_at"),
    sa.UniqueConstraint("newsletter", "slug"),
    sqlite_autoincrement=True,
)

#: The frozen bytes of an issue, of each variant that somebody wished when it was frozen.
renderings = sa.Table(
    "renderings",
    metadata,
    sa.Column("issue_id", Id, sa.ForeignKey("issues.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    sa.Column("variant", sa.Text, primary_key=True, server_default=sa.text("''")),
    later_text("subject"),
    text("preheader"),
    text("mail_html"),
    text("mail_text"),
    text("web_html"),
)

issue_stories = sa.Table(
    "issue_stories",
    metadata,
    sa.Column("issue_id", Id, sa.ForeignKey("issues.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    points_to("story_id", "stories.id"),
    text("section"),
    one_of("section", Section),
    sa.Index(None, "story_id"),
)

issue_entries = sa.Table(
    "issue_entries",
    metadata,
    sa.Column("issue_id", Id, sa.ForeignKey("issues.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    sa.Column("entry_id", Id, sa.ForeignKey("entries.id"), primary_key=True, autoincrement=False),
    number("story_position"),
    number("position"),
    sa.Index(None, "entry_id"),
)

subscribers = sa.Table(
    "subscribers",
    metadata,
    make_id(),
    text("email"),
    # SHA-256 of the normalised address, hex: what suppressions know a person by.
    sa.Column("address_hash", sa.Text, nullable=False, unique=True),
    instant("created_at"),
    make_folded(),
    sa.Index(None, "folded"),
    sqlite_autoincrement=True,
)

subscriptions = sa.Table(
    "subscriptions",
    metadata,
    make_id(),
    points_to("subscriber_id", "subscribers.id"),
    text("newsletter"),
    text("state"),
    sa.Column("public_id", sa.Text, nullable=False, unique=True),
    text("language"),
    sa.Column("topics", sa.JSON, nullable=False),
    # `model.Wishes.variant` of language and topics.
    later_text("variant"),
    text("consent"),
    instant("created_at"),
    instant("confirmed_at", optional=True),
    instant("ended_at", optional=True),
    text("ended_reason"),
    one_of("state", SubscriptionState),
    sa.UniqueConstraint("subscriber_id", "newsletter"),
    sa.Index(None, "newsletter", "state", "id"),
    sa.Index(None, "state", "id"),
    sqlite_autoincrement=True,
)

#: Addresses that get no mail, whoever adds them again; kept when the person is forgotten.
suppressions = sa.Table(
    "suppressions",
    metadata,
    sa.Column("address_hash", sa.Text, primary_key=True),
    text("reason"),
    instant("created_at"),
)

#: The ledger: one row for each issue and subscriber, whatever happens to the mail.
deliveries = sa.Table(
    "deliveries",
    metadata,
    make_id(),
    points_to("issue_id", "issues.id"),
    points_to("subscriber_id", "subscribers.id"),
    points_to("subscription_id", "subscriptions.id"),
    text("address"),
    later_text("variant"),
    text("state"),
    *make_tries(),
    number("fence"),
    # How often the dot was sent, no answer seen, and the mail sent again.
    number("uncertain"),
    instant("created_at"),
    instant("changed_at"),
    one_of("state", DeliveryState),
    sa.UniqueConstraint("issue_id", "subscriber_id"),
    sa.Index(None, "issue_id", "state", "next_try_at", "id"),
    sa.Index(None, "state", "lease_until"),
    sa.Index(None, "subscription_id"),
    sa.Index(None, "subscriber_id"),
    sqlite_autoincrement=True,
)

#: Mails to one person that are no issue, with what the link in them does when it is followed.
letters = sa.Table(
    "letters",
    metadata,
    make_id(),
    # Random; what the token in the mail is made of.
    sa.Column("public_id", sa.Text, nullable=False, unique=True),
    text("kind"),
    text("address"),
    text("address_hash"),
    # Of the box that the address leads to: what strangers ask for is counted by it.
    text("mailbox_hash"),
    # Whose address changes; empty for people who are not known yet.
    points_to("subscriber_id", "subscribers.id", optional=True),
    sa.Column("newsletters", sa.JSON, nullable=False),
    text("language"),
    sa.Column("topics", sa.JSON, nullable=False),
    # Where the wish came from, for the caps and as evidence: the network's hash, the address's domain, the form.
    text("network_hash"),
    text("domain"),
    text("form"),
    instant("created_at"),
    instant("expires_at"),
    instant("used_at", optional=True),
    # Its own little ledger, as of a delivery.
    text("state"),
    *make_tries(),
    one_of("kind", LetterKind),
    one_of("state", LetterState),
    sa.Index(None, "state", "next_try_at"),
    sa.Index(None, "address_hash", "created_at"),
    sa.Index(None, "mailbox_hash", "created_at"),
    sa.Index(None, "network_hash", "created_at"),
    sa.Index(None, "created_at"),
    sa.Index(None, "subscriber_id"),
    sqlite_autoincrement=True,
)

#: Who sends at the moment: a worker's name and the number of its run. Only while there are rates to divide.
senders = sa.Table("senders", metadata, sa.Column("name", sa.Text, primary_key=True), instant("lease_until"))

#: What came back, as it came.
bounces = sa.Table(
    "bounces",
    metadata,
    make_id(),
    # SHA-256 of the mail, hex: read twice, it is stored once.
    sa.Column("raw_hash", sa.Text, nullable=False, unique=True),
    text("kind"),
    # What came back goes when what it is about goes: it names the person.
    points_to("delivery_id", "deliveries.id", optional=True, cascade=True),
    points_to("subscription_id", "subscriptions.id", optional=True, cascade=True),
    text("address_hash"),
    # Enhanced status code (RFC 3463) and the other server's words.
    text("status"),
    text("diagnostic"),
    # Where it was read: "maildir", "imap", "smtp".
    text("origin"),
    instant("received_at"),
    # zlib; of a large mail its beginning.
    sa.Column("packed", sa.LargeBinary, nullable=False),
    one_of("kind", BounceKind),
    sa.Index(None, "subscription_id", "received_at"),
    sa.Index(None, "delivery_id"),
    sa.Index(None, "received_at"),
    sa.Index(None, "address_hash"),
    sqlite_autoincrement=True,
)
