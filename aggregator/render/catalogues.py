"""The program's own words in other languages: gettext catalogues, compiled in memory from the ``.po`` sources.

English is the language of the templates and needs no catalogue. Never translates what others wrote.
"""

from __future__ import annotations

from collections.abc import Sequence
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path

from aggregator.errors import Problem, RenderError

_FILE = "messages.po"


class Catalogues:
    """The catalogues of all folders, each ``LANGUAGE/messages.po``. Where two have a message, the first folder's wins,
    so that editors can word it their own way. A folder may be missing."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)
        self._chosen: dict[str, tuple[Path, ...]] = {}

    def choose(self, language: str) -> tuple[Path, ...]:
        """The files that speak ``language`` (BCP 47), the best first: ``zh-Hant-TW``, then ``zh-Hant``, then ``zh``.

        Empty: English.
        """
        if language not in self._chosen:
            self._chosen[language] = self._find(language)
        return self._chosen[language]

    def _find(self, language: str) -> tuple[Path, ...]:
        parts = _fold(language).split("-")
        names = ["-".join(parts[:count]) for count in range(len(parts), 0, -1)]
        # Folders are listed and compared, so no language however odd becomes a path.
        known = [{_fold(path.parent.name): path for path in _list_files(folder)} for folder in self._folders]
        return tuple(files[name] for name in names for files in known if name in files)

    def list_files(self) -> tuple[Path, ...]:
        """Every catalogue there is."""
        return tuple(path for folder in self._folders for path in _list_files(folder))

    def check(self) -> tuple[Problem, ...]:
        """A `Problem` for each catalogue that cannot be read, the editor's and ours."""
        problems = []
        for path in self.list_files():
            try:
                read_catalogue(path)
            except RenderError as error:
                problems.append(Problem(file=str(path), line=0, key="", message=str(error)))
        return tuple(problems)


def load_translations(files: Sequence[Path]) -> NullTranslations:
    """What ``files`` say, the first that has a message; English for what none has. Raises RenderError."""
    chosen: NullTranslations | None = None
    for path in files:
        catalogue = read_catalogue(path)
        if chosen is None:
            chosen = catalogue
        else:
            chosen.add_fallback(catalogue)
    return chosen or NullTranslations()


def read_catalogue(path: Path) -> GNUTranslations:
    """One ``.po`` file, ready for use. Uncertain (fuzzy) messages are left out. Raises RenderError, also for a message
    whose translation has other places (``%(count)s``) than the original."""
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import PoFileError, read_po

    compiled = BytesIO()
    try:
        with path.open("rb") as file:
            catalogue = read_po(file, locale=path.parent.name.replace("-", "_"), abort_invalid=True)
        if catalogue.locale is None:
            raise ValueError("its folder is not named after a language")
        for message, errors in catalogue.check():
            raise ValueError(f"line {message.lineno}: {errors[0]}")
        for message in catalogue:
            if isinstance(message.string, tuple) and not any(message.string):
                message.string = ""  # else Babel writes a plural that nobody has translated as if English were meant
        write_mo(compiled, catalogue)
        compiled.seek(0)
        return GNUTranslations(compiled)
    except (OSError, ValueError, PoFileError) as error:  # ValueError: no such language, not UTF-8, odd plural forms
        raise RenderError(f"{path.parent.name}/{path.name}: not a catalogue: {error}") from error


def _fold(language: str) -> str:
    return language.replace("_", "-").lower()


def _list_files(folder: Path) -> tuple[Path, ...]:
    """Sorted, so that of two names of one language always the same wins."""
    return tuple(sorted(folder.glob(f"*/{_FILE}")))
