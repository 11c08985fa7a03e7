"""The network in: bytes of feeds, and folders of posts. Never understands a feed, never stores one.

`feeds` is the door. `client` asks many at once (in a `loop` of its own); one request and its redirects are an
`exchange`, under `address` (where it may connect), `hosts` (how often), `decode` (how much), `headers` (what is said
and answered) and `failures` (what went wrong, in words). `folder` reads posts, each by `post`.
"""
