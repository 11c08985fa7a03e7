"""Who a process is, and whether another one of this machine is still there. Never ends a process, never writes.

A name is ``host:process:start``: a number that was given to a new process since does not pass for the old one.
"""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path


def worker_name() -> str:
    """Who claims."""
    return _name(os.getpid())


@cache
def _name(number: int) -> str:
    return f"{socket.gethostname()}:{number}:{_find_start(number)}"


def is_dead(owner: str) -> bool:
    """Whether ``owner`` (a `worker_name`, maybe with more behind it) ran on this machine and is gone.

    Of another machine's nothing is known: False. In a container every daemon is process 1; one with *our* number and
    another start is an earlier one.
    """
    host, _, rest = owner.partition(":")
    number, _, rest = rest.partition(":")
    start = rest.partition(":")[0]
    if host != socket.gethostname() or not number.isdigit():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        pass
    now = _find_start(int(number))
    return bool(start and now) and start != now


def _find_start(number: int) -> str:
    """When the process began, in clock ticks since the machine did; empty where there is no /proc."""
    try:
        status = Path(f"/proc/{number}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
    fields = status.rpartition(")")[2].split()  # the name before it may hold anything
    return fields[19] if len(fields) > 19 else ""
