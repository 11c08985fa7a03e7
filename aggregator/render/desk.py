"""The pages of the desk as HTML. Never holds a script or a style inside a page: both are files of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aggregator import __version__
from aggregator.model.settings import Site
from aggregator.render.idiom import Idiom
from aggregator.render.links import get_root
from aggregator.render.page import load_assets
from aggregator.render.templates import Templates
from aggregator.render.words import cut_text

_ASSETS = ("style.css", "desk.css", "desk.js", "icon.svg")


def get_desk_assets() -> Mapping[str, bytes]:
    """File name with the hash of its content -> content, to be served for ever under ``/admin/static/``."""
    return dict(load_assets(_ASSETS).values())


def render_desk(
    name: str, site: Site, templates: Templates, /, *, language: str = "", base: str | None = None, **values: Any
) -> str:
    """Template ``name``, in ``language`` or that of the site. ``base``: what the desk's paths begin with (``/admin``),
    if not where the site lives."""
    said = replace(site, language=language or site.language)
    root = get_root(site)
    return templates.render(
        name,
        site=said,
        root=root,
        desk=f"{root}/admin" if base is None else base,
        say=Idiom(language=said.language, timezone=site.timezone),
        assets={plain: hashed for plain, (hashed, _) in load_assets(_ASSETS).items()},
        version=__version__,
        cut=cut_text,
        **values,
    )
