"""The editor's introduction to an issue: Markdown made into HTML for the mail and the web, and into plain text.

Never lets through HTML of the editor's, pictures, or links that are not http(s) or mailto; never nests deeply. Headings
become bold paragraphs: those of the mail are the program's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from aggregator.render.words import keep_legal, wrap_text

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

_SCHEMES = ("http://", "https://", "mailto:")
_NO_RULES = ("image", "html_inline", "html_block", "entity")
_DEPTH = 12
#: What some mail programs need to hear on the element itself.
_MAIL_STYLES: Mapping[str, str] = {
    "p": "margin:0 0 10px",
    "ul": "margin:0 0 10px;padding:0 0 0 24px",
    "ol": "margin:0 0 10px;padding:0 0 0 24px",
    "blockquote": "margin:0 0 10px;padding:0 0 0 14px;border-left:3px solid #8b897f",
}
_LINK_STYLE = "color:#a3321a"


def make_mail_html(markdown: str) -> Markup:
    """Well-formed HTML with styles on its elements; empty for nothing."""
    parser = _make_parser()
    tokens = _read(parser, markdown)
    for token in tokens:
        _style(token)
    return Markup(keep_legal(parser.renderer.render(tokens, parser.options, {})))


def make_web_html(markdown: str) -> Markup:
    """The same without a style, for a page whose policy allows none."""
    parser = _make_parser()
    return Markup(keep_legal(parser.renderer.render(_read(parser, markdown), parser.options, {})))


def make_text(markdown: str) -> str:
    """Paragraphs in lines as long as those of the mail; links become numbers, their addresses stand below."""
    addresses: list[str] = []
    paragraphs: list[str] = []
    depth, marks = 0, [""]
    for token in _read(_make_parser(), markdown):
        if token.type in ("bullet_list_open", "ordered_list_open", "blockquote_open"):
            depth += 1
        elif token.type in ("bullet_list_close", "ordered_list_close", "blockquote_close"):
            depth -= 1
        elif token.type == "list_item_open":
            marks = [f"{token.info}. " if token.info else "- "]
        elif token.type == "hr":
            paragraphs.append("* * *")
        elif token.type in ("inline", "fence", "code_block"):
            text = marks[0] + (_say_inline(token.children or (), addresses) if token.children else token.content)
            marks = [""]
            paragraphs.extend(wrap_text(line, indent="  " * depth) for line in text.splitlines())
            paragraphs.append("")
    notes = [f"[{number}] {address}" for number, address in enumerate(addresses, start=1)]
    return keep_legal("\n".join([*paragraphs, *notes]).strip("\n"))


def _say_inline(children: Sequence[Token], addresses: list[str]) -> str:
    said = []
    for token in children:
        if token.type == "link_open":
            addresses.append(str(token.attrs.get("href", "")))
        elif token.type == "link_close":
            said.append(f" [{len(addresses)}]")
        elif token.type in ("softbreak", "hardbreak"):
            said.append(" " if token.type == "softbreak" else "\n")
        else:
            said.append(token.content)
    return "".join(said)


def _read(parser: MarkdownIt, markdown: str) -> list[Token]:
    from markdown_it.token import Token

    tokens = parser.parse(keep_legal(markdown))
    for index, token in enumerate(tokens):
        if token.type.startswith("heading_"):
            token.type, token.tag = token.type.replace("heading", "paragraph"), "p"
            if token.nesting == 1:
                text = tokens[index + 1]
                strong = (Token("strong_open", "strong", 1), Token("strong_close", "strong", -1))
                text.children = [strong[0], *(text.children or ()), strong[1]]
    return tokens


def _style(token: Token) -> None:
    if token.nesting >= 0 and token.tag in _MAIL_STYLES and not token.hidden:
        token.attrSet("style", _MAIL_STYLES[token.tag])
    for child in token.children or ():
        if child.type == "link_open":
            child.attrSet("style", _LINK_STYLE)
            child.attrSet("class", "link")


def _make_parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    options: dict[str, Any] = {"html": False, "xhtmlOut": True, "maxNesting": _DEPTH}
    parser = MarkdownIt("commonmark", options).disable(list(_NO_RULES))
    parser.validateLink = lambda url: url.lower().startswith(_SCHEMES)  # type: ignore[method-assign]
    return parser
