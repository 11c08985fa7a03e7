"""Names of languages as tags (BCP 47). Never guesses one."""

from __future__ import annotations

#: What stands where no language is named: none said, undetermined, several, not a language.
UNNAMED = frozenset({"", "und", "mul", "zxx"})


def get_primary(language: str) -> str:
    """``pt`` for ``pt-BR``, in lower case."""
    return language.partition("-")[0].lower()
