"""The only SQL of the program: one schema and one set of statements for two databases, a module per noun.

Functions take an open `Connection`, so that the transaction is visible in the caller. Never opens a transaction of
its own (but for `engine` and `migrate`), never reads the clock or the configuration.
"""
