"""The list of the files that are ours in a published folder, with their stamps. Never names one of somebody else.

One line a file: stamp, name, group, with tabs between them; one without a name for each group as a whole.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aggregator.publish.disk import WORKSHOP, holds, refuse, write_file


@dataclass(slots=True)
class Ledger:
    """What is there: name -> (stamp, group); group -> stamp. An empty stamp is believed by nobody."""

    files: dict[str, tuple[str, str]] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)

    def list_groups(self) -> Mapping[str, list[str]]:
        """Group -> the names of its files."""
        names: dict[str, list[str]] = defaultdict(list)
        for name, (_, group) in self.files.items():
            if group:
                names[group].append(name)
        return names

    def write(self, path: Path) -> None:
        """All of it, atomically, unless it is there already. Raises PublishError."""
        lines = [f"{stamp}\t{name}\t{group}\n" for name, (stamp, group) in sorted(self.files.items())]
        lines += [f"{stamp}\t\t{group}\n" for group, stamp in sorted(self.groups.items())]
        text = "".join(lines).encode()
        try:
            if not holds(path, text):
                write_file(path, text)
        except OSError as error:
            raise refuse(path, error) from error


def read_ledger(path: Path) -> Ledger:
    """What is ours, files of calls that were killed included. Raises PublishError."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return Ledger()
    except OSError as error:
        raise refuse(path, error) from error
    found = Ledger()
    for line in lines:
        stamp, _, rest = line.partition("\t")
        name, tab, group = rest.partition("\t")
        # Without the second tab it was cut short, perhaps to the name of a file that is not ours.
        if tab and is_name(name):
            found.files[name] = (stamp, group)
        elif tab and not name and group:
            found.groups[group] = stamp
    return found


def note_file(path: Path, name: str, stamp: str, group: str) -> None:
    """Before a new file appears it is ours, so that even a kill leaves none that nobody ever removes; and before one
    changes, or without ``name`` any of a group, what was known of it is taken back."""
    try:
        with path.open("a", encoding="utf-8") as ledger:
            # The line end first: a line that a kill cut short spoils no other.
            ledger.write(f"\n{stamp}\t{name}\t{group}")
    except OSError as error:
        raise refuse(path, error) from error


def is_name(name: str) -> bool:
    """Whether a file of ours may be called so: a relative POSIX path that leads nowhere else."""
    parts = name.split("/")
    return name.isprintable() and parts[0] != WORKSHOP and not any(part in ("", ".", "..") for part in parts)
