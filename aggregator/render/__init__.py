"""Values become text: feeds, pages, one mail. Never reads a clock, a database or the configuration.

`items` makes what our feeds hold and `atom`, `rss` and `jsonfeed` write it, `opml` whom we read; `page` and `lists` are
the pages, `newsletter` the mail and its archive body; `templates` loads what editors may override, in the languages of
`catalogues`; `idiom`, `words`, `links`, `marks`, `initials`, `tagnames` and `figures` are the small parts of them.
"""
