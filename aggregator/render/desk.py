"""The pages of the desk as HTML. Never holds a script or a style inside a page: both are files of ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aggregator import __version__
from aggregator.model.settings import Site
from aggregator.render.links import get_root
from aggregator.render.page import get_idiom, load_assets
from aggregator.render.templates import Templates
from aggregator.render.words import cut_text

_ASSETS = ("style.css", "desk.css", "desk.js", "icon.svg")


def get_desk_assets() -> Mapping[str, bytes]:
    """File name with the hash of its content -> content, to be served for ever under ``/admin/static/``."""
    return dict(load_assets(_ASSETS).values())


def render_desk(name: str, site: Site, templates: Templates, /, *, language: str = "", **values: Any) -> str:
    """Template ``name``, in ``language`` or that of the site. ``root``, which links to public pages begin with, is a
    whole address: the desk may be at another."""
    said = replace(site, language=language or site.language)
    path = get_root(site)
    return templates.render(
        name,
        site=said,
        root=site.url,
        desk=f"{path}/admin",
        api=f"{path}/api/v1",
        say=get_idiom(said),
        assets={plain: hashed for plain, (hashed, _) in load_assets(_ASSETS).items()},
        version=__version__,
        cut=cut_text,
        **values,
    )
