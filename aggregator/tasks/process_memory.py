"""The memory of this process and of all below it: the sum of PSS (proportional set size), shared pages counted once.

Reads Linux's /proc; where there is none, or it is closed to us, nothing is known. Never raises.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

_PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class TreeMemory:
    """Of a process tree."""

    processes: int
    pss_bytes: int


def measure_memory(root: int | None = None) -> TreeMemory | None:
    """Of the tree below process ``root`` (default: this one); None: it cannot be known here."""
    children = _list_children()
    todo, processes, pss = [root or os.getpid()], 0, 0
    while todo:
        process = todo.pop()
        todo += children.get(process, [])
        found = _PSS.search(_read(Path(f"/proc/{process}/smaps_rollup")))
        if found:
            processes += 1
            pss += int(found[1]) * 1024
    return TreeMemory(processes, pss) if processes else None


def _list_children() -> dict[int, list[int]]:
    """Of each process of the machine that we may see."""
    children: dict[int, list[int]] = defaultdict(list)
    try:
        processes = [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208  (names alone)
    except OSError:
        return children
    for process in processes:
        # "PID (NAME) STATE PARENT ...", and the name may hold brackets and blanks.
        fields = _read(Path(f"/proc/{process}/stat")).rpartition(")")[2].split()
        if len(fields) > 1:
            children[int(fields[1])].append(process)
    return children


def _read(path: Path) -> str:
    """Empty when the process has just ended, or is not ours to look at."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
