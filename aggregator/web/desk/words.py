"""Sentences of the desk that stand in Python: marked here for the catalogues, said where a page is made.
Never joined out of pieces.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


def N_(text: str) -> str:  # noqa: N802  (gettext's own name for it)
    """A message for the catalogues, as it is."""
    return text


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence with what stands in its places; `text` in English, for programs."""

    message: str
    values: Mapping[str, object] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """In English."""
        return self.message % self.values if self.values else self.message.replace("%%", "%")


def say(message: str, **values: object) -> Said:
    """``say(N_("At most %(most)s characters."), most=300)``."""
    return Said(message, values)


def quote(text: object) -> Said:
    """Words that are no message of ours: of a task, a server, a person. What is no message is not safe either."""
    return Said("%(words)s", {"words": str(text)})


class FieldError(Exception):
    """What was sent will not do: a sentence for each field, under "" what is wrong with the whole."""

    def __init__(self, errors: Mapping[str, Said | str]) -> None:
        super().__init__("; ".join(f"{name}: {_get_text(said)}" for name, said in errors.items()))
        self.errors = {name: said if isinstance(said, Said) else quote(said) for name, said in errors.items()}


def _get_text(said: Said | str) -> str:
    return said.text if isinstance(said, Said) else said
