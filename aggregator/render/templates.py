"""Loads and renders the Jinja templates of pages and mails. Never builds a template out of a value.

Feed text only ever enters as a value: autoescape is on for every template but plain text (``.txt``), which has no
markup to break out of, and the environment is sandboxed, because editors may bring templates of their own. Each
template speaks the language of its reader: that of the newsletter, or of the site (`catalogues`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from gettext import NullTranslations
from hashlib import sha256
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import Any

from jinja2 import BaseLoader, FileSystemLoader, StrictUndefined, TemplateError, TemplateNotFound, TemplateSyntaxError
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup

from aggregator.errors import Problem, RenderError
from aggregator.render import figures, idiom, links, tagnames, words
from aggregator.render.catalogues import Catalogues, load_translations
from aggregator.render.tracing import LineMarks, find_place

_SUFFIXES = ("html", "mjml", "txt")


class Templates:
    """The templates of all folders, the first folder that has a name wins."""

    def __init__(
        self, loader: BaseLoader, catalogues: Catalogues | None = None, *, own_folders: Sequence[Path] = ()
    ) -> None:
        """``own_folders``: those of the editor among the loader's."""
        self._loader = loader
        self._own_folders = tuple(own_folders)
        self._catalogues = catalogues or Catalogues(())
        #: One for each set of catalogues in use, so that what Jinja keeps of a template is of one language only.
        self._environments: dict[tuple[Path, ...], SandboxedEnvironment] = {}

    def render(self, name: str, /, **values: object) -> str:
        """The text of template ``name``; raises RenderError that names the template and, where known, its line.

        In the language of ``say`` (`Idiom`), else of ``site``, else in English.
        """
        try:
            return self._get_environment(_get_language(values)).get_template(name).render(values)
        except TemplateSyntaxError as error:
            raise RenderError(f"{error.name or name}:{error.lineno}: {error.message}") from error
        except RenderError:
            raise
        except Exception as error:
            place = _find_place(error.__traceback__) or name
            raise RenderError(f"{place}: {type(error).__name__}: {error}") from error

    def find_place(self, name: str, text: str, offset: int, **values: object) -> str:
        """``FILE:LINE`` of what became the character at ``offset`` of ``text``, which `render` made; empty: unknown."""
        environment = self._make_environment(_get_language(values), traced=True)
        try:
            return find_place(environment.get_template(name).render(values), text, offset) if offset >= 0 else ""
        except Exception:  # noqa: BLE001  (the fault itself is what must be told)
            return ""

    def has(self, name: str) -> bool:
        """Whether there is a template of this name, be it a broken one."""
        try:
            self._loader.get_source(self._get_environment(""), name)
        except TemplateNotFound:
            return False
        except UnicodeDecodeError:
            return True
        return True

    def has_own(self) -> bool:
        """Whether the editor brings a template: nobody has tried what it does."""
        return any(found for folder in self._own_folders for end in _SUFFIXES for found in folder.rglob(f"*.{end}"))

    def __getstate__(self) -> dict[str, object]:
        """For a child process: without what Jinja keeps."""
        return self.__dict__ | {"_environments": {}}

    def get_fingerprint(self) -> str:
        """Another text when a template or a catalogue has changed: a hash of all of them.

        One that cannot be read counts as what is wrong with it: the pages that need it will say so.
        """
        whole = sha256()
        environment = _make_environment(self._loader, NullTranslations())
        for name in sorted(environment.list_templates(extensions=_SUFFIXES)):
            try:
                source, _, _ = self._loader.get_source(environment, name)
            except (TemplateError, UnicodeDecodeError) as error:
                source = str(error)
            whole.update(f"{name}\0{source}\0".encode("utf-8", "surrogateescape"))
        for path in self._catalogues.list_files():
            try:
                whole.update(path.read_bytes())
            except OSError as error:
                whole.update(str(error).encode("utf-8", "surrogateescape"))
        return whole.hexdigest()

    def _get_environment(self, language: str) -> SandboxedEnvironment:
        files = self._catalogues.choose(language)
        if files not in self._environments:
            self._environments[files] = self._make_environment(language)
        return self._environments[files]

    def _make_environment(self, language: str, *, traced: bool = False) -> SandboxedEnvironment:
        environment = _make_environment(self._loader, load_translations(self._catalogues.choose(language)))
        if traced:
            environment.add_extension(LineMarks)
        return environment

    def check(self) -> tuple[Problem, ...]:
        """Compiles every template and every catalogue; a Problem for each that cannot be."""
        problems = list(self._catalogues.check())
        environment = _make_environment(self._loader, NullTranslations())
        for name in sorted(environment.list_templates(extensions=_SUFFIXES)):
            try:
                environment.get_template(name)
            except TemplateSyntaxError as error:
                message = error.message or "syntax error"
                problems.append(Problem(file=error.filename or name, line=error.lineno, key="", message=message))
            except (TemplateError, UnicodeDecodeError) as error:
                problems.append(Problem(file=name, line=0, key="", message=str(error)))
        return tuple(problems)


def load_templates(folders: Sequence[Path] = ()) -> Templates:
    """Templates from ``folders`` in order, then from those shipped with the program. A folder may be missing.

    Catalogues likewise, from ``locale/`` in each.
    """
    package = resources.files("aggregator")
    installed = package.joinpath("templates")
    shipped = installed if installed.is_dir() else package.joinpath("..", "templates")  # a checkout has them at its top
    ours = Path(str(package.joinpath("data", "locale")))
    return Templates(
        FileSystemLoader([*(str(folder) for folder in folders), str(shipped)]),
        Catalogues([*(folder / "locale" for folder in folders), ours]),
        own_folders=folders,
    )


def _get_language(values: Mapping[str, object]) -> str:
    """A newsletter may speak another language than the site that it is shown on: its own idiom says so."""
    for key in ("say", "site"):
        language = getattr(values.get(key), "language", "")
        if isinstance(language, str) and language:
            return language
    return ""


def _make_environment(loader: BaseLoader, translations: NullTranslations) -> SandboxedEnvironment:
    environment = SandboxedEnvironment(
        loader=loader,
        autoescape=_wants_escaping,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        extensions=["jinja2.ext.i18n"],
    )
    install: Callable[..., None] = environment.install_gettext_translations  # type: ignore[attr-defined]
    install(translations, newstyle=True)
    filters: dict[str, Callable[..., Any]] = {
        "headline": words.set_headline,
        "excerpt": words.set_excerpt,
        "direction": idiom.get_direction,
        "feed_name": words.get_feed_name,
        "wrap": words.wrap_text,
        "web_url": links.get_web_url,
        "public_url": links.get_public_url,
        "host": links.get_host,
        "tags_of": tagnames.list_tags,
        "entry_tags": tagnames.list_entry_tags,
        "tag_name": tagnames.get_name,
        "tag_of": tagnames.get_tag,
        "sources": tagnames.list_sources,
        "bars": figures.draw_bars,
        "shares": figures.get_shares,
    }
    environment.filters.update(filters)
    return environment


def _wants_escaping(name: str | None) -> bool:
    return name is None or not name.endswith(".txt")


def _finalize(value: object) -> object:
    """Every text on its way into a template loses what is illegal; what is marked as safe was made here, of such."""
    return words.keep_legal(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _find_place(trace: TracebackType | None) -> str:
    """``FILE:LINE`` of the innermost template frame; Jinja rewrites the traceback into the template's own lines."""
    place = ""
    while trace is not None:
        if "__jinja_exception__" in trace.tb_frame.f_globals:
            place = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
