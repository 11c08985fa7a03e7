"""How well-known services name their feeds, a row a rule. Never fetches: a rule is a guess until it was asked.

Only first-hand feeds: bridges that others run see whom one reads, and break. A page that names its feeds itself
(Hacker News, Discourse, PeerTube, a YouTube ``@handle``) needs no row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple
from urllib.parse import urlsplit

from aggregator.pipeline.discover.candidates import Candidate, Kind
from aggregator.pipeline.urls import is_web_url


class _Feed(NamedTuple):
    """``template`` is filled with the groups of both patterns, with ``origin`` (``https://host:port``) too."""

    what: str
    kind: Kind
    template: str


@dataclass(frozen=True, slots=True)
class _Rule:
    service: str
    #: Of the whole host, in lower case, without ``www.``.
    host: str
    #: Of the beginning of path and query; ends where a word of the path does.
    path: str
    feeds: tuple[_Feed, ...]


def _github(*names: str, branch: str = "") -> tuple[_Feed, ...]:
    places = {"releases": "releases", "tags": "tags", "commits": f"commits{branch}"}
    return tuple(_Feed(name, "atom", f"https://github.com/{{owner}}/{{repo}}/{places[name]}.atom") for name in names)


_GITHUB_REPO = (
    r"/(?!(?:about|apps|collections|contact|customer-stories|enterprise|events|explore|features|login|marketplace|new|"
    r"notifications|orgs|pricing|search|settings|signup|site|sponsors|stars|topics|trending|users)/)"
    r"(?P<owner>[A-Za-z0-9][A-Za-z0-9-]{0,38})/(?P<repo>[\w.-]{1,100}?)(?:\.git)?"
)
_REDDIT = r"(?:[a-z]{2,3}\.)?reddit\.com"
_YOUTUBE_HOST = r"(?:m\.|music\.)?youtube\.com"
_YOUTUBE = "https://www.youtube.com/feeds/videos.xml?"
_MEDIUM_PATH = r"/(?!(?:about|explore-topics|feed|jobs-at-medium|m|me|membership|p|plans|search|tag)(?:[/?]|$))"
_NAME = r"[A-Za-z0-9][\w-]{0,62}"
_STACK = r"(?:[\w-]+\.)?stackexchange\.com|(?:(?:[a-z]{2}\.)?stackoverflow|serverfault|superuser|askubuntu)\.com"

#: The first rule that fits counts; none of a service falls through to another's.
_RULES = (
    _Rule("YouTube", _YOUTUBE_HOST, r"/channel/(?P<id>UC[\w-]{22})",
          (_Feed("videos of the channel", "atom", _YOUTUBE + "channel_id={id}"),)),
    _Rule("YouTube", _YOUTUBE_HOST, r"/(?:playlist|watch)\?(?:.*&)?list=(?P<id>(?:PL|UU|FL|OL)[\w-]{8,62})",
          (_Feed("videos of the playlist", "atom", _YOUTUBE + "playlist_id={id}"),)),
    _Rule("YouTube", _YOUTUBE_HOST, r"/user/(?P<id>[\w.-]{1,64})",
          (_Feed("videos of the user", "atom", _YOUTUBE + "user={id}"),)),
    _Rule("GitHub", r"github\.com", _GITHUB_REPO + r"/(?:tree|commits)/(?P<branch>[\w./-]{1,200})",
          _github("commits", "releases", "tags", branch="/{branch}")),
    _Rule("GitHub", r"github\.com", _GITHUB_REPO + "/commits", _github("commits", "releases", "tags")),
    _Rule("GitHub", r"github\.com", _GITHUB_REPO + "/tags", _github("tags", "releases", "commits")),
    _Rule("GitHub", r"github\.com", _GITHUB_REPO, _github("releases", "tags", "commits")),
    _Rule("GitHub", r"github\.com", r"/(?P<owner>[A-Za-z0-9][A-Za-z0-9-]{0,38})/?$",
          (_Feed("public activity", "atom", "https://github.com/{owner}.atom"),)),
    _Rule("GitLab", r"gitlab(?:\.[\w-]+)+",
          r"/(?!explore/|help/|users/)(?P<project>[\w.-]+(?:/(?!-(?:[/?]|$))[\w.-]+){1,6})",
          (_Feed("releases", "atom", "{origin}/{project}/-/releases.atom"),
           _Feed("tags", "atom", "{origin}/{project}/-/tags?format=atom"),
           _Feed("activity", "atom", "{origin}/{project}.atom"))),
    _Rule("GitLab", r"gitlab(?:\.[\w-]+)+", r"/(?!explore|help|users|-)(?P<user>[\w.-]+)/?$",
          (_Feed("public activity", "atom", "{origin}/{user}.atom"),)),
    _Rule("Forgejo", r"codeberg\.org|gitea\.com", r"/(?!explore/)(?P<owner>[\w.-]+)/(?P<repo>[\w.-]+)",
          (_Feed("releases", "atom", "{origin}/{owner}/{repo}/releases.atom"),
           _Feed("tags", "atom", "{origin}/{owner}/{repo}/tags.atom"),
           _Feed("activity", "atom", "{origin}/{owner}/{repo}.atom"))),
    _Rule("Forgejo", r"codeberg\.org|gitea\.com", r"/(?!explore)(?P<owner>[\w.-]+)/?$",
          (_Feed("public activity", "atom", "{origin}/{owner}.atom"),)),
    _Rule("PyPI", r"pypi\.org", r"/project/(?P<name>[\w.-]{1,100})",
          (_Feed("releases", "rss", "https://pypi.org/rss/project/{name}/releases.xml"),)),
    _Rule("Reddit", _REDDIT, r"/r/(?P<name>[\w+]{2,100})/(?P<order>new|top|hot|rising|controversial)",
          (_Feed("the subreddit", "atom", "https://www.reddit.com/r/{name}/{order}/.rss"),)),
    _Rule("Reddit", _REDDIT, r"/r/(?P<name>\w{2,50})/comments/(?P<id>\w{2,20})",
          (_Feed("comments", "atom", "https://www.reddit.com/r/{name}/comments/{id}/.rss"),)),
    _Rule("Reddit", _REDDIT, r"/r/(?P<name>[\w+]{2,100})",
          (_Feed("the subreddit", "atom", "https://www.reddit.com/r/{name}/.rss"),)),
    _Rule("Reddit", _REDDIT, r"/(?:u|user)/(?P<name>[\w-]{2,40})",
          (_Feed("posts of the user", "atom", "https://www.reddit.com/user/{name}/.rss"),)),
    _Rule("Bluesky", r"bsky\.app", r"/profile/(?P<name>[\w.:-]{3,250})",
          (_Feed("posts", "rss", "https://bsky.app/profile/{name}/rss"),)),
    _Rule("Medium", r"medium\.com", r"/(?P<name>@[\w.-]{1,64})",
          (_Feed("posts", "rss", "https://medium.com/feed/{name}"),)),
    _Rule("Medium", r"medium\.com", r"/(?P<name>tag/[\w-]{1,100})",
          (_Feed("the topic", "rss", "https://medium.com/feed/{name}"),)),
    _Rule("Medium", r"medium\.com", _MEDIUM_PATH + rf"(?P<name>{_NAME}/tagged/[\w-]{{1,100}})",
          (_Feed("the topic", "rss", "https://medium.com/feed/{name}"),)),
    _Rule("Medium", r"medium\.com", _MEDIUM_PATH + rf"(?P<name>{_NAME})", (_Feed("the publication", "rss", "https://medium.com/feed/{name}"),)),
    _Rule("Medium", r"(?!blog\.|help\.)[\w-]+\.medium\.com", "", (_Feed("posts", "rss", "{origin}/feed"),)),
    _Rule("Substack", r"open\.substack\.com", rf"/pub/(?P<name>{_NAME})",
          (_Feed("the newsletter", "rss", "https://{name}.substack.com/feed"),)),
    _Rule("Substack", r"(?!open\.)[\w-]+\.substack\.com", "", (_Feed("the newsletter", "rss", "{origin}/feed"),)),
    _Rule("Buttondown", r"buttondown\.(?:com|email)", rf"/(?!api/|use-cases/)(?P<name>{_NAME})",
          (_Feed("the newsletter", "rss", "https://buttondown.com/{name}/rss"),)),
    _Rule("arXiv", r"(?:export\.)?arxiv\.org", r"/(?:list|archive)/(?P<name>[a-z-]{2,20}(?:\.[A-Za-z-]{2,20})?)",
          (_Feed("new papers", "atom", "https://rss.arxiv.org/atom/{name}"),
           _Feed("new papers", "rss", "https://rss.arxiv.org/rss/{name}"))),
    _Rule("Hugging Face", r"huggingface\.co", "/blog",
          (_Feed("the blog", "rss", "https://huggingface.co/blog/feed.xml"),)),
    _Rule("dev.to", r"dev\.to", r"/t/(?P<name>\w{1,50})", (_Feed("the topic", "rss", "https://dev.to/feed/tag/{name}"),)),
    _Rule("dev.to", r"dev\.to", r"/(?!(?:about|code-of-conduct|contact|enter|faq|feed|guides|latest|pod|privacy|search|"
          r"settings|tags|terms|top|videos)(?:[/?]|$))(?P<name>\w{2,50})",
          (_Feed("posts", "rss", "https://dev.to/feed/{name}"),)),
    _Rule("Blogger", r"[\w-]+\.blogspot\.(?:com?\.)?[a-z]{2,3}", "",
          (_Feed("posts", "atom", "{origin}/feeds/posts/default"),
           _Feed("posts", "rss", "{origin}/feeds/posts/default?alt=rss"))),
    _Rule("WordPress", r"[\w-]+\.wordpress\.com", r"/(?P<name>(?:category|tag|author)/[\w%/-]{1,200}?)",
          (_Feed("the topic", "rss", "{origin}/{name}/feed/"), _Feed("posts", "rss", "{origin}/feed/"))),
    _Rule("WordPress", r"[\w-]+\.wordpress\.com", "",
          (_Feed("posts", "rss", "{origin}/feed/"), _Feed("posts", "rss", "{origin}/?feed=rss2"))),
    _Rule("Ghost", r"[\w-]+\.ghost\.io", "", (_Feed("posts", "rss", "{origin}/rss/"),)),
    _Rule("Tumblr", r"tumblr\.com",
          r"/(?:blog/(?:view/)?)?(?!(?:about|dashboard|explore|login|register|search|tagged)(?:[/?]|$))"
          rf"(?P<name>{_NAME})", (_Feed("posts", "rss", "https://{name}.tumblr.com/rss"),)),
    _Rule("Tumblr", r"[\w-]+\.tumblr\.com", "", (_Feed("posts", "rss", "{origin}/rss"),)),
    _Rule("Stack Exchange", _STACK, r"/questions/tagged/(?P<name>[\w.+%-]{1,200})",
          (_Feed("questions", "atom", "{origin}/feeds/tag/{name}"),)),
    _Rule("Zenn", r"zenn\.dev", r"/(?P<name>(?:topics|p)/[\w-]{1,64})",
          (_Feed("posts", "rss", "https://zenn.dev/{name}/feed"),)),
    _Rule("Zenn", r"zenn\.dev", rf"/(?!(?:articles|books|explore|feed|scraps|search|about)(?:[/?]|$))(?P<name>{_NAME})",
          (_Feed("posts", "rss", "https://zenn.dev/{name}/feed"),)),
    _Rule("Qiita", r"qiita\.com", r"/(?P<name>tags/[\w.%+-]{1,100})",
          (_Feed("the topic", "atom", "https://qiita.com/{name}/feed"),)),
    _Rule("Qiita", r"qiita\.com",
          r"/(?!(?:about|advent-calendar|login|organizations|question-feed|search|tags|trend)(?:[/?]|$))"
          rf"(?P<name>{_NAME})", (_Feed("posts", "atom", "https://qiita.com/{name}/feed"),)),
    _Rule("note", r"note\.com", rf"/(?!(?:hashtag|info|login|search|topic)(?:[/?]|$))(?P<name>{_NAME})",
          (_Feed("posts", "rss", "https://note.com/{name}/rss"),)),
    _Rule("Hatena", r"[\w-]+\.(?:hatenablog\.(?:com|jp)|hateblo\.jp|hatenadiary\.(?:com|jp|org))", "",
          (_Feed("posts", "atom", "{origin}/feed"), _Feed("posts", "rss", "{origin}/rss"))),
    _Rule("Naver", r"(?:m\.)?blog\.naver\.com", rf"/(?!PostList|PostView)(?P<name>{_NAME})",
          (_Feed("posts", "rss", "https://rss.blog.naver.com/{name}.xml"),)),
    _Rule("Tistory", r"[\w-]+\.tistory\.com", "", (_Feed("posts", "rss", "{origin}/rss"),)),
    _Rule("velog", r"velog\.io", r"/(?P<name>@[\w.-]{1,64})", (_Feed("posts", "rss", "https://v2.velog.io/rss/{name}"),)),
    _Rule("CSDN", r"blog\.csdn\.net", rf"/(?P<name>{_NAME})",
          (_Feed("posts", "rss", "https://blog.csdn.net/{name}/rss/list"),)),
    # Any host may run it; these have people behind an @ and no such feeds. A second @ is somebody of another server.
    _Rule("Fediverse", r"(?!(?:[\w-]+\.)*(?:youtube|tiktok|threads|substack|flipboard|instagram|medium|velog)\.)[^/]+",
          r"/@(?P<name>\w[\w.-]{0,63})", (_Feed("posts", "rss", "{origin}/@{name}.rss"),)),
)  # fmt: skip
_END = r"(?=[/?]|$)"


def guess_by_service(url: str) -> tuple[Candidate, ...]:
    """The feeds that the service at this address has for it, the likeliest first; empty when no rule knows it."""
    if not is_web_url(url):
        return ()
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".").lower().removeprefix("www.")
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    for rule, host_pattern, path_pattern in _compile_rules():
        on_host = host_pattern.fullmatch(host)
        on_path = path_pattern.match(target) if on_host else None
        if on_path is not None:
            words = {**on_path.groupdict(), "origin": f"{parts.scheme}://{parts.netloc.lower()}"}
            return tuple(_make_candidates(rule, words))
    return ()


def _make_candidates(rule: _Rule, words: dict[str, str]) -> Iterator[Candidate]:
    for feed in rule.feeds:
        url = feed.template.format_map(words)
        if is_web_url(url):
            yield Candidate(url=url, kind=feed.kind, why=f"{rule.service} has {feed.what} there")


@cache
def _compile_rules() -> tuple[tuple[_Rule, re.Pattern[str], re.Pattern[str]], ...]:
    ready = []
    for rule in _RULES:
        ending = "" if rule.path.endswith("$") or not rule.path else r"(?=[/?&]|$)" if r"\?" in rule.path else _END
        ready.append((rule, re.compile(rule.host), re.compile(rule.path + ending)))
    return tuple(ready)
