"""The network in: bytes of feeds, and folders of posts. Never understands a feed, never stores one.

`feeds` is the door. `client` asks many at once: a `batch` of requests crosses into a `loop` of its own, where the
`desk` leads each through the gate of its host (`hosts`: how often) to one of the `slots` (how many at one time). One
request and its redirects are an `exchange`, under `address` (where it may connect), `body` and `decode` (how much),
`headers` (what is said and answered), `walls` (who answered instead) and `failures` (what went wrong, in words).
`folder` reads posts, each by `post`.
"""
