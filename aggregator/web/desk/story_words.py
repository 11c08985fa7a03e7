"""What the rooms of stories and entries call things. Never asks anything."""

from __future__ import annotations

from collections.abc import Mapping

from aggregator.web.desk.words import N_

ORDERS: Mapping[str, str] = {"best": N_("Best first"), "newest": N_("Newest first")}
#: Of the last so many; more would be more than a page can look through.
DAYS: Mapping[str, str] = {"7": N_("Last 7 days"), "3": N_("Last 3 days"), "1": N_("Last 24 hours")}

#: Where the editor put stories.
STANDINGS: Mapping[str, str] = {"pin": N_("Pinned"), "bury": N_("Buried")}

#: What joined an entry to a story, as `pipeline.group` calls it.
EVIDENCE: Mapping[str, str] = {
    "titles": N_("titles"),
    "links": N_("links"),
    "names": N_("names"),
    "version": N_("version"),
    "number": N_("number"),
    "event": N_("event"),
    "words": N_("words"),
    "meaning": N_("meaning"),
    "the editor's word": N_("the editor's word"),
    "same address": N_("same address"),
    "the same": N_("the same"),
    "nearly the same": N_("nearly the same"),
    "to the other": N_("to the other"),
    "to the same page": N_("to the same page"),
}

#: Where the words of a tag were found.
PLACES: Mapping[str, str] = {
    "title": N_("in the title"),
    "text": N_("in the text"),
    "category": N_("in the publisher's categories"),
    "feed": N_("by the feed"),
    "url": N_("by the address"),
}
#: What put the tag there; else a rule of the editor, or a tag that brings it along.
TAG_RULES: Mapping[str, str] = {
    "alias": N_("a name of the taxonomy"),
    "pattern": N_("a pattern of the taxonomy"),
    "host": N_("its own site"),
    "feed": N_("all of this feed"),
}
#: What a rule of the editor did.
ACTIONS: Mapping[str, str] = {
    "tag": N_("puts the tag"),
    "drop": N_("keeps it from readers"),
    "weight": N_("sets the weight to"),
    "section": N_("puts it into the section"),
    "stop": N_("asks no later rule"),
}
#: Why an entry stands where it does (`pipeline.dates`).
DATED: Mapping[str, str] = {
    "claimed": N_("It stands where the publisher dates it."),
    "none": N_("The publisher gives no date: it stands where it was first seen."),
    "old": N_(
        "The publisher's date lay more than 30 days back when it was first seen: it stands where it was first seen."
    ),
    "ahead": N_(
        "The publisher's date lay more than a day ahead when it was first seen: it stands where it was first seen."
    ),
    "edited": N_("The publisher has changed the date since; an entry keeps its place."),
}
#: What nobody has a say in twice.
SAID_ALREADY = N_("That was said already.")
