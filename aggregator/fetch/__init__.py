"""The network in: bytes of feeds, and folders of posts. Never understands a feed, never stores one.

`feeds` is the door; `client` asks over HTTP under `address` (where it may connect), `hosts` (how often),
`decode` (how much), `headers` (what was asked and answered) and `failures` (what went wrong, in words); `folder` reads posts.
"""
