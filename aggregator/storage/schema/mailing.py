"""Tables of newsletters: issues, who gets them, the ledger of deliveries. Never of what is in the news."""

from __future__ import annotations

import sqlalchemy as sa

from aggregator.model.newsletter import IssueState, Section
from aggregator.model.subscriber import DeliveryState, SubscriptionState
from aggregator.storage.schema.columns import Id, instant, make_id, metadata, number, one_of, points_to, text

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
    one_of("state", IssueState),
    sa.UniqueConstraint("newsletter", "slot_at"),
    sa.UniqueConstraint("newsletter", "slug"),
    sqlite_autoincrement=True,
)

#: The frozen bytes of an issue.
renderings = sa.Table(
    "renderings",
    metadata,
    sa.Column("issue_id", Id, sa.ForeignKey("issues.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
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
    text("consent"),
    instant("created_at"),
    instant("confirmed_at", optional=True),
    instant("ended_at", optional=True),
    text("ended_reason"),
    one_of("state", SubscriptionState),
    sa.UniqueConstraint("subscriber_id", "newsletter"),
    sa.Index(None, "newsletter", "state"),
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
    text("state"),
    text("lease_owner"),
    instant("lease_until", optional=True),
    number("fence"),
    number("attempts"),
    # How often the dot was sent, no answer seen, and the mail sent again.
    number("uncertain"),
    instant("next_try_at"),
    number("code"),
    text("reply_text"),
    instant("created_at"),
    instant("changed_at"),
    one_of("state", DeliveryState),
    sa.UniqueConstraint("issue_id", "subscriber_id"),
    sa.Index(None, "issue_id", "state", "next_try_at"),
    sa.Index(None, "state", "lease_until"),
    sa.Index(None, "subscription_id"),
    sqlite_autoincrement=True,
)
