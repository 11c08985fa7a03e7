"""The outermost door: the ``aggregator`` command. Never holds a rule; each command asks a task and prints what it says.

Exit codes: 0 done, 1 failed, 2 bad use (arguments, configuration, or a database that cannot be used), 130 interrupted.
"""

from __future__ import annotations

import io
import os
import sys

from aggregator.errors import AggregatorError, ConfigError, StorageError, UsageError


def main() -> None:
    """Run one command; every mistake that a user can mend is a line on standard error, never a traceback."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that knows fewer letters than the entries hold gets escapes, which JSON reads as well.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        _run()
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        # Of standard output: files that a user named are refused with their names where they are opened.
        print(f"aggregator: {error.filename or 'output'}: {error.strerror or error}", file=sys.stderr)
        sys.exit(1)
    finally:
        _flush()


def _run() -> None:
    from aggregator.cli.commands import cli
    from aggregator.cli.console import print_note

    try:
        cli(prog_name="aggregator")
    except AggregatorError as error:
        for line in str(error).splitlines():
            print_note(line)
        sys.exit(2 if isinstance(error, (ConfigError, UsageError, StorageError)) else 1)
    except UnicodeEncodeError:
        # Bytes of the command line that are no text reach us as lone surrogates, which no database takes.
        print_note("an argument is not UTF-8 text")
        sys.exit(2)


def _flush() -> None:
    """Whatever is left, now: when the reader (``head``) has gone, Python would complain about it at its end."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            print(f"aggregator: output: {error.strerror or error}", file=sys.stderr)
            sys.exit(1)
