"""The first schema: feeds, entries, tags, stories, issues, subscribers and the ledger of deliveries."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

#: 64 bits; SQLite numbers rows by itself only when the type says exactly INTEGER.
_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _create_installation()
    _create_feeds()
    _create_entries()
    _create_entry_parts()
    _create_issues()
    _create_subscribers()
    _create_deliveries()


def _create_installation() -> None:
    op.create_table(
        "meta",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_meta"),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )


def _create_feeds() -> None:
    op.create_table(
        "feeds",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("spec_title", sa.Text(), nullable=False),
        sa.Column("spec_language", sa.Text(), nullable=False),
        sa.Column("weight", sa.Double(), nullable=False),
        sa.Column("spec_tags", sa.JSON(), nullable=False),
        sa.Column("interval_seconds", sa.Integer(), nullable=True),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("url_prefix", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("paused_reason", sa.Text(), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("site_url", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("atom_id", sa.Text(), nullable=False),
        sa.Column("rights", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("feed_updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("etag", sa.LargeBinary(), nullable=False),
        sa.Column("last_modified", sa.LargeBinary(), nullable=False),
        sa.Column("body_hash", sa.Text(), nullable=False),
        sa.Column("last_fetched_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_status", sa.Integer(), nullable=True),
        sa.Column("first_imported_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_due_reason", sa.Text(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failure_class", sa.Text(), nullable=False),
        sa.Column("failure_reason", sa.Text(), nullable=False),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("origin IN ('config', 'opml', 'added')", name=op.f("ck_feeds_origin")),
        sa.CheckConstraint("state IN ('active', 'paused')", name=op.f("ck_feeds_state")),
        sa.PrimaryKeyConstraint("id", name="pk_feeds"),
        sa.UniqueConstraint("url", name="uq_feeds_url"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_feeds_state_next_due_at", "feeds", ["state", "next_due_at"])


def _create_entries() -> None:
    op.create_table(
        "stories",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("atom_id", sa.Text(), nullable=False),
        sa.Column("lead_entry_id", _ID, nullable=False),
        sa.Column("score", sa.Double(), nullable=True),
        sa.Column("reasons", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("merged_into", _ID, nullable=True),
        sa.ForeignKeyConstraint(["merged_into"], ["stories.id"], name="fk_stories_merged_into_stories"),
        sa.PrimaryKeyConstraint("id", name="pk_stories"),
        sa.UniqueConstraint("atom_id", name="uq_stories_atom_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_stories_lead_entry_id", "stories", ["lead_entry_id"])
    op.create_index("ix_stories_merged_into", "stories", ["merged_into"])
    op.create_index("ix_stories_score", "stories", ["score"])
    op.create_table(
        "entries",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("feed_id", _ID, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("key_hash", sa.LargeBinary(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("guid", sa.Text(), nullable=False),
        sa.Column("atom_id", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("canonical_url", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("excerpt", sa.Text(), nullable=False),
        sa.Column("reading_minutes", sa.Integer(), nullable=False),
        sa.Column("categories", sa.JSON(), nullable=False),
        sa.Column("enclosures", sa.JSON(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("backlog", sa.Boolean(), nullable=False),
        sa.Column("story_id", _ID, nullable=True),
        sa.ForeignKeyConstraint(["feed_id"], ["feeds.id"], name="fk_entries_feed_id_feeds"),
        sa.ForeignKeyConstraint(["story_id"], ["stories.id"], name="fk_entries_story_id_stories"),
        sa.PrimaryKeyConstraint("id", name="pk_entries"),
        sa.UniqueConstraint("atom_id", name="uq_entries_atom_id"),
        sa.UniqueConstraint("feed_id", "key_hash", name="uq_entries_feed_id_key_hash"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_entries_effective_at_id", "entries", ["effective_at", "id"])
    op.create_index("ix_entries_feed_id_effective_at", "entries", ["feed_id", "effective_at"])
    op.create_index("ix_entries_story_id", "entries", ["story_id"])


def _create_entry_parts() -> None:
    op.create_table(
        "contents",
        sa.Column("entry_id", _ID, autoincrement=False, nullable=False),
        sa.Column("policy_version", sa.Integer(), nullable=False),
        sa.Column("content_html", sa.Text(), nullable=False),
        sa.Column("parsed", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["entry_id"], ["entries.id"], name="fk_contents_entry_id_entries", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("entry_id", name="pk_contents"),
    )
    op.create_index("ix_contents_policy_version", "contents", ["policy_version"])
    op.create_table(
        "entry_tags",
        sa.Column("entry_id", _ID, autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("found", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("field IN ('title', 'text', 'category', 'feed', 'url')", name=op.f("ck_entry_tags_field")),
        sa.CheckConstraint("kind IN ('org', 'product', 'topic')", name=op.f("ck_entry_tags_kind")),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["entries.id"], name="fk_entry_tags_entry_id_entries", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("entry_id", "position", name="pk_entry_tags"),
    )
    op.create_index("ix_entry_tags_slug_effective_at_entry_id", "entry_tags", ["slug", "effective_at", "entry_id"])


def _create_issues() -> None:
    op.create_table(
        "issues",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("newsletter", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("slot_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("window_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("window_end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("frozen_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('draft', 'ready', 'sending', 'sent', 'skipped')", name=op.f("ck_issues_state")),
        sa.PrimaryKeyConstraint("id", name="pk_issues"),
        sa.UniqueConstraint("newsletter", "slot_at", name="uq_issues_newsletter_slot_at"),
        sa.UniqueConstraint("newsletter", "slug", name="uq_issues_newsletter_slug"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "renderings",
        sa.Column("issue_id", _ID, autoincrement=False, nullable=False),
        sa.Column("preheader", sa.Text(), nullable=False),
        sa.Column("mail_html", sa.Text(), nullable=False),
        sa.Column("mail_text", sa.Text(), nullable=False),
        sa.Column("web_html", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["issue_id"], ["issues.id"], name="fk_renderings_issue_id_issues", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("issue_id", name="pk_renderings"),
    )
    op.create_table(
        "issue_stories",
        sa.Column("issue_id", _ID, autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("story_id", _ID, nullable=False),
        sa.Column("section", sa.Text(), nullable=False),
        sa.CheckConstraint("section IN ('top', 'brief', 'more')", name=op.f("ck_issue_stories_section")),
        sa.ForeignKeyConstraint(
            ["issue_id"], ["issues.id"], name="fk_issue_stories_issue_id_issues", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["story_id"], ["stories.id"], name="fk_issue_stories_story_id_stories"),
        sa.PrimaryKeyConstraint("issue_id", "position", name="pk_issue_stories"),
    )
    op.create_index("ix_issue_stories_story_id", "issue_stories", ["story_id"])
    op.create_table(
        "issue_entries",
        sa.Column("issue_id", _ID, autoincrement=False, nullable=False),
        sa.Column("entry_id", _ID, autoincrement=False, nullable=False),
        sa.Column("story_position", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["entry_id"], ["entries.id"], name="fk_issue_entries_entry_id_entries"),
        sa.ForeignKeyConstraint(
            ["issue_id"], ["issues.id"], name="fk_issue_entries_issue_id_issues", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("issue_id", "entry_id", name="pk_issue_entries"),
    )
    op.create_index("ix_issue_entries_entry_id", "issue_entries", ["entry_id"])


def _create_subscribers() -> None:
    op.create_table(
        "subscribers",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("address_hash", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_subscribers"),
        sa.UniqueConstraint("address_hash", name="uq_subscribers_address_hash"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "subscriptions",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("subscriber_id", _ID, nullable=False),
        sa.Column("newsletter", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("public_id", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("topics", sa.JSON(), nullable=False),
        sa.Column("consent", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_reason", sa.Text(), nullable=False),
        sa.CheckConstraint("state IN ('pending', 'confirmed', 'ended')", name=op.f("ck_subscriptions_state")),
        sa.ForeignKeyConstraint(
            ["subscriber_id"], ["subscribers.id"], name="fk_subscriptions_subscriber_id_subscribers"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_subscriptions"),
        sa.UniqueConstraint("public_id", name="uq_subscriptions_public_id"),
        sa.UniqueConstraint("subscriber_id", "newsletter", name="uq_subscriptions_subscriber_id_newsletter"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_subscriptions_newsletter_state", "subscriptions", ["newsletter", "state"])
    op.create_table(
        "suppressions",
        sa.Column("address_hash", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("address_hash", name="pk_suppressions"),
    )


def _create_deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("issue_id", _ID, nullable=False),
        sa.Column("subscriber_id", _ID, nullable=False),
        sa.Column("subscription_id", _ID, nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("lease_owner", sa.Text(), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("uncertain", sa.Integer(), nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("code", sa.Integer(), nullable=False),
        sa.Column("reply_text", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state IN ('queued', 'sending', 'committing', 'sent', 'deferred', 'failed', 'bounced',"
            " 'suppressed', 'unknown')",
            name=op.f("ck_deliveries_state"),
        ),
        sa.ForeignKeyConstraint(["issue_id"], ["issues.id"], name="fk_deliveries_issue_id_issues"),
        sa.ForeignKeyConstraint(["subscriber_id"], ["subscribers.id"], name="fk_deliveries_subscriber_id_subscribers"),
        sa.ForeignKeyConstraint(
            ["subscription_id"], ["subscriptions.id"], name="fk_deliveries_subscription_id_subscriptions"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
        sa.UniqueConstraint("issue_id", "subscriber_id", name="uq_deliveries_issue_id_subscriber_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_deliveries_issue_id_state_next_try_at", "deliveries", ["issue_id", "state", "next_try_at"])
    op.create_index("ix_deliveries_state_lease_until", "deliveries", ["state", "lease_until"])
    op.create_index("ix_deliveries_subscription_id", "deliveries", ["subscription_id"])
