"""Row ids, told apart by type so that a story's number is never taken for an entry's. Never more than that."""

from __future__ import annotations

from typing import NewType

FeedId = NewType("FeedId", int)
EntryId = NewType("EntryId", int)
StoryId = NewType("StoryId", int)
IssueId = NewType("IssueId", int)
SubscriberId = NewType("SubscriberId", int)
SubscriptionId = NewType("SubscriptionId", int)
DeliveryId = NewType("DeliveryId", int)
AccountId = NewType("AccountId", int)
