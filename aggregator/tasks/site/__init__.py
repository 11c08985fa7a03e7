"""Every public page and feed by its path: load -> rank -> render. Never answers a request, never writes a file.

`routes` finds what stands at an address (`found` says what that can be); `stories`, `lists` and `feeds` make it, each
with the routes of its own; `export` is all of it at once.
"""
