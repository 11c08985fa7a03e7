"""What we do with news: pure functions, one module a stage.

No clock, socket, disk, process, database, config or log.
"""
