"""What the rooms of tags call things. Never asks anything."""

from __future__ import annotations

from collections.abc import Mapping

from aggregator.web.desk.words import N_

KINDS: Mapping[str, str] = {"org": N_("Companies"), "product": N_("Products"), "topic": N_("Topics")}
KIND: Mapping[str, str] = {"org": N_("company"), "product": N_("product"), "topic": N_("topic")}
ORDERS: Mapping[str, str] = {
    "used": N_("Most used of late"),
    "rising": N_("Rising"),
    "name": N_("By name"),
}
RELATIONS: Mapping[str, str] = {
    "same": N_("%(tag)s has the same name: both tags are put"),
    "longer": N_("where %(theirs)s stands, the words are of %(tag)s alone"),
    "shorter": N_("%(tag)s loses the words %(theirs)s where %(ours)s stands"),
}
ORIGINS: Mapping[str, str] = {
    "parent": N_("brought along by %(whose)s"),
    "rule": N_("your rule %(whose)s"),
    "host": N_("its own site %(whose)s"),
    "feed": N_("set for the feed: %(whose)s"),
    "other": N_("by a name that it has no more: %(whose)s"),
}
