"""By which names feedparser knows elements and attributes: its strange rules of namespaces. Holds one document's."""

from __future__ import annotations

from aggregator.pipeline.parse.fast.names import NAMESPACES, STANDARD_PREFIXES, USERLAND

Attributes = dict[str, str]
XLINK = "http://www.w3.org/1999/xlink"


class Unmodelled(Exception):
    """Something that only feedparser reads as feedparser does."""


class Namespaces:
    """What a document has declared so far; as in feedparser a declaration holds to the end of the document."""

    def __init__(self) -> None:
        #: Prefix as declared -> the standard one.
        self._prefixes: dict[str | None, str] = {}
        #: Standard prefix, else the one declared -> the namespace.
        self._uris: dict[str, str] = {}
        #: All declarations so far.
        self.declared: list[tuple[str | None, str]] = []
        #: No prefix that is known stands for another namespace.
        self.is_usual = True

    def declare(self, prefix: str | None, uri: str, *, at_root: bool) -> bool:
        """Whether names that were known may be others from now on; ``at_root``: before any element."""
        if len(uri.split()) != 1:
            raise Unmodelled("a namespace with a space")
        if uri == XLINK and prefix not in (None, "xlink") and not at_root:
            raise Unmodelled("a declaration that counts as an attribute")
        self.declared.append((prefix, uri))
        uri, lower = _fold(uri)
        standard = NAMESPACES.get(lower)
        if standard is None:
            return self._declare_unknown(prefix or "", uri, at_root)
        if prefix and prefix != standard and prefix in STANDARD_PREFIXES:  # Medium's "cc", for example
            if not at_root:
                raise Unmodelled("a known prefix for another namespace")
            self.is_usual = False
        changed = self._uris.get(standard) != uri or self._prefixes.get(prefix) != standard
        self._uris[standard], self._prefixes[prefix] = uri, standard
        return changed and not at_root

    def _declare_unknown(self, prefix: str, uri: str, at_root: bool) -> bool:
        if self._uris.get(prefix) == uri:
            return False
        if not at_root and uri in self._uris.values():
            raise Unmodelled("a namespace with two prefixes")
        self._uris[prefix] = uri
        return not at_root

    def name_tag(self, tag: str) -> str:
        """An element's name (``dc_creator``, ``title``) by expat's (``uri local prefix``, each after a space)."""
        uri, separator, rest = tag.partition(" ")
        if not separator:
            return tag.lower()
        uri, lower = _fold(uri)
        prefix = NAMESPACES.get(lower)
        if not prefix:
            prefix = next((name for name, value in self._uris.items() if name and value == uri), "")
        prefix = self._prefixes.get(prefix.lower(), prefix.lower())
        local = rest.partition(" ")[0].lower()
        return f"{prefix}_{local}" if prefix else local


def is_universal(tag: str) -> bool:
    """Whether expat's ``tag`` has the same name in all documents, whatever they declare."""
    uri, separator, _ = tag.partition(" ")
    prefix = NAMESPACES.get(uri.lower())
    return not separator or prefix == "" or (prefix is not None and prefix.islower())


def _fold(uri: str) -> tuple[str, str]:
    """The namespace as it is compared, and in lower case; all of Userland's are one."""
    lower = uri.lower()
    return (USERLAND, USERLAND) if USERLAND.removeprefix("http://") in lower else (uri, lower)


def read_attributes(raw: Attributes) -> Attributes:
    """Names in lower case; foreign ones count without their prefix as well, unless a plain one says otherwise."""
    read: Attributes = {}
    if not any(" " in name for name in raw):
        for name, value in raw.items():
            _set(read, name, value)
        return read
    for name, value in raw.items():
        _set(read, _standard_name(name) if " " in name else name, value)
    for name, value in raw.items():
        _set(read, _written_name(name) if " " in name else name, value)
    return read


def _set(read: Attributes, name: str, value: str) -> None:
    name = name.lower()
    read[name] = value.lower() if name in ("rel", "type") else value


def _standard_name(name: str) -> str:
    uri, local, *_ = name.split(" ")
    prefix = NAMESPACES.get(uri.lower(), "")
    return f"{prefix}:{local}" if prefix else local


def _written_name(name: str) -> str:
    _, local, *prefix = name.split(" ")
    return f"{prefix[0]}:{local}" if prefix else local
