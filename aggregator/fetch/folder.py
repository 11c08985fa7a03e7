"""A folder of Markdown posts with front matter (Jekyll, Hugo) read as a feed. Never cleans, never leaves the folder."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from aggregator.fetch.post import NoPost, Post, PostError, read_post
from aggregator.model.feed import FOLDER_SCHEME, FetchFailed, FetchRequest, FolderRead, NotModified
from aggregator.model.parsed import ParsedEntry, ParsedFeed, RejectedEntry

MAX_POSTS = 5_000
MAX_POST_BYTES = 2 * 1024 * 1024

_SUFFIXES = frozenset({".md", ".markdown", ".txt"})
#: Pages about a folder, not posts of it; at the top they name the feed.
_INDEX_NAMES = ("_index", "index")
_CLOSED_FOLDERS = frozenset({"_drafts", "node_modules"})
#: Goes into the hash: posts are read again when what is made of them changes.
_FORMAT = b"1"


def read_folder(request: FetchRequest) -> FolderRead | NotModified | FetchFailed:
    """Reads ``folder:/absolute/path``. A post that cannot be read costs only itself."""
    root = Path(request.url.removeprefix(FOLDER_SCHEME))
    trouble = _find_trouble(root)
    if trouble:
        return FetchFailed(request=request, failure_class="folder", reason=trouble)
    paths = sorted(_iter_post_paths(root))
    body_hash = _hash_posts(root, paths, request.url_prefix)
    if body_hash == request.body_hash:
        return NotModified(request=request, status=200)
    return FolderRead(request=request, feed=_read_feed(root, paths, request.url_prefix), body_hash=body_hash)


def _find_trouble(root: Path) -> str:
    if not root.is_absolute():
        return f"{root} is not an absolute path"
    try:
        if not stat.S_ISDIR(root.stat().st_mode):
            return f"{root} is not a folder"
        next(root.iterdir(), None)
    except (OSError, ValueError) as error:
        return f"the folder {root} cannot be read: {_say(error)}"
    return ""


def _iter_post_paths(root: Path) -> Iterator[Path]:
    """Files that may be posts; not the hidden ones, drafts, or what a link leads to outside of the folder."""
    home = root.resolve()
    for folder, subfolders, names in os.walk(root, followlinks=False):
        subfolders[:] = [name for name in subfolders if not name.startswith(".") and name not in _CLOSED_FOLDERS]
        for name in names:
            path = Path(folder, name)
            if name.startswith(".") or path.suffix.lower() not in _SUFFIXES:
                continue
            if _may_be_read(path, home):
                yield path


def _may_be_read(path: Path, home: Path) -> bool:
    """A file inside of ``home``. One that cannot even be looked at (permissions) is let pass: reading it says why."""
    try:
        return path.is_file() and path.resolve().is_relative_to(home)
    except OSError:
        return True


def _hash_posts(root: Path, paths: list[Path], url_prefix: str) -> str:
    digest = hashlib.blake2b(_FORMAT, digest_size=16)
    digest.update(os.fsencode(url_prefix) + b"\0")
    for path in paths:
        digest.update(os.fsencode(path.relative_to(root)) + b"\0")
        try:
            digest.update(hashlib.blake2b(_read_bytes(path)).digest())
        except (OSError, PostError) as error:
            digest.update(str(error).encode("utf-8", "replace"))
    return digest.hexdigest()


def _read_feed(root: Path, paths: list[Path], url_prefix: str) -> ParsedFeed:
    index = _read_index(root, paths)
    posts = [path for path in paths if not _is_index(root, path)]
    too_many = f"only the last {MAX_POSTS:,} of {len(posts):,} posts, by file name, are read"
    entries: list[ParsedEntry] = []
    rejected: list[RejectedEntry] = []
    taken: set[str] = set()
    for path in posts[-MAX_POSTS:]:  # Jekyll's names begin with the date: the last are the newest
        name = _get_name(root, path)
        try:
            post = read_post(_read_bytes(path), name)
            entry_id = post.id if post.id not in taken else name
            entries.append(_make_entry(post, entry_id, url_prefix))
            taken.add(entry_id)
        except NoPost:
            continue
        except Exception as error:  # noqa: BLE001 - whatever a post does to the libraries that read it
            rejected.append(RejectedEntry(index=len(entries) + len(rejected), reason=f"{name}: {_say(error)}"))
    return ParsedFeed(
        title=(index.title if index and index.has_title else "") or root.name,
        site_url=url_prefix,
        language=index.language if index else "",
        author=index.author if index else "",
        entries=tuple(entries),
        rejected=tuple(rejected),
        warnings=(too_many,) if len(posts) > MAX_POSTS else (),
    )


def _read_index(root: Path, paths: list[Path]) -> Post | None:
    for path in paths:
        if path.parent == root and path.stem.lower() in _INDEX_NAMES:
            try:
                return read_post(_read_bytes(path), _get_name(root, path))
            except Exception:  # noqa: BLE001 - as for any post; the folder has a name without it
                continue
    return None


def _get_name(root: Path, path: Path) -> str:
    """The path inside the folder as text that can be stored; on disk a name is any bytes."""
    return os.fsencode(path.relative_to(root).as_posix()).decode("utf-8", "replace")


def _is_index(root: Path, path: Path) -> bool:
    """At the top both names; below only Hugo's ``_index``: an ``index`` there is a post with files beside it."""
    name = path.stem.lower()
    return name == "_index" or (name == "index" and path.parent == root)


def _make_entry(post: Post, entry_id: str, url_prefix: str) -> ParsedEntry:
    url = post.url or _make_url(post, url_prefix)
    return ParsedEntry(
        id=entry_id,
        url=url,
        title=post.title,
        author=post.author,
        summary_html=post.summary_html,
        content_html=post.content_html,
        published_at=post.published_at,
        updated_at=post.updated_at,
        categories=post.categories,
        language=post.language,
        base_url=url or url_prefix,
        reading_minutes=post.reading_minutes,
    )


def _make_url(post: Post, url_prefix: str) -> str:
    if not url_prefix:
        return ""
    return url_prefix + ("" if url_prefix.endswith(("/", "=")) else "/") + quote(post.slug)


def _read_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(MAX_POST_BYTES + 1)
    if len(data) > MAX_POST_BYTES:
        raise PostError(f"larger than {MAX_POST_BYTES:,} bytes")
    return data


def _say(error: Exception) -> str:
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
