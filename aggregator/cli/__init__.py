"""The outermost door: the ``aggregator`` command. Never holds a rule; each command asks a task and prints what it says.

Exit codes: 0 done, 1 failed, 2 bad use (arguments, configuration, or a database that cannot be used).
"""

from __future__ import annotations

import sys

from aggregator.errors import AggregatorError, ConfigError, StorageError, UsageError


def main() -> None:
    """Run one command; every mistake that a user can mend is a line on standard error, never a traceback."""
    from aggregator.cli.commands import cli

    try:
        cli(prog_name="aggregator")
    except AggregatorError as error:
        for line in str(error).splitlines():
            print(f"aggregator: {line}", file=sys.stderr)
        sys.exit(2 if isinstance(error, (ConfigError, UsageError, StorageError)) else 1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # The reader (`head`) has gone; Python would complain once more when it flushes.
        sys.stdout = None
        sys.exit(0)
