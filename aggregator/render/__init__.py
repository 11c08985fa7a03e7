"""Values become text: one Atom feed, pages, one mail. Never reads a clock, a database or the configuration.

`atom` holds the feed, `page` the pages, `newsletter` the mail and its archive body; `templates` loads what editors may
override; `idiom`, `words`, `links`, `tagnames` and `figures` are the small parts that templates speak with.
"""
