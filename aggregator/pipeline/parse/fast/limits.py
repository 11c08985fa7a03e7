"""How many links, people, categories and texts the fast road takes. Never reads them: whoever adds one counts it here.

A document with more goes to feedparser in a child process, which has the time: here it would keep other feeds waiting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aggregator.pipeline.parse.fast.namespaces import Unmodelled

if TYPE_CHECKING:
    from aggregator.pipeline.parse.fast.reader import Reader

#: Of one entry. No recorded one has as many.
MAX_PARTS = 500
#: Of the feed itself: Blogger lists every label that a blog ever used, more than a thousand in a recorded one.
MAX_FEED_PARTS = 5_000
#: Elements of a document that has any; no recorded feed has as many.
MAX_ELEMENTS = 100_000
#: No element can be called so.
_COUNT = " parts"


def count_part(reader: Reader) -> None:
    """One more of what an entry may have several of. Raises `Unmodelled` when it is one too many."""
    context = reader.context
    count = context.get(_COUNT, 0) + 1
    limit = MAX_FEED_PARTS if reader.depths is None else MAX_PARTS
    if count > limit or reader.elements > MAX_ELEMENTS:
        raise Unmodelled("more than a usual feed says of anything")
    context[_COUNT] = count
