"""Every table. The migrations build the same (a test compares them). Never holds a statement.

Column types are chosen once for both databases (`columns`).
"""

from aggregator.storage.schema.columns import metadata
from aggregator.storage.schema.desk import (
    accounts,
    api_tokens,
    audit,
    desk_settings,
    login_failures,
    notices,
    sessions,
)
from aggregator.storage.schema.entries import (
    contents,
    entries,
    entry_changes,
    entry_tags,
    entry_versions,
    meanings,
    rule_decisions,
    rulings,
    stories,
    story_links,
)
from aggregator.storage.schema.fetching import feed_slices, feeds, fetch_log, host_leases, hosts, hubs, lists
from aggregator.storage.schema.installation import leases, meta
from aggregator.storage.schema.mailing import (
    bounces,
    deliveries,
    issue_entries,
    issue_stories,
    issues,
    letters,
    renderings,
    senders,
    subscribers,
    subscriptions,
    suppressions,
)
from aggregator.storage.schema.publishing import announcements, archive_entries, archive_scopes, archives
from aggregator.storage.schema.search import INDEX_NAME, search_entries, search_words

__all__ = [
    "INDEX_NAME",
    "accounts",
    "announcements",
    "api_tokens",
    "archive_entries",
    "archive_scopes",
    "archives",
    "audit",
    "bounces",
    "contents",
    "deliveries",
    "desk_settings",
    "entries",
    "entry_changes",
    "entry_tags",
    "entry_versions",
    "feed_slices",
    "feeds",
    "fetch_log",
    "host_leases",
    "hosts",
    "hubs",
    "issue_entries",
    "issue_stories",
    "issues",
    "leases",
    "letters",
    "lists",
    "login_failures",
    "meanings",
    "meta",
    "metadata",
    "notices",
    "renderings",
    "rule_decisions",
    "rulings",
    "search_entries",
    "search_words",
    "senders",
    "sessions",
    "stories",
    "story_links",
    "subscribers",
    "subscriptions",
    "suppressions",
]
