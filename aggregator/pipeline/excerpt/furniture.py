"""Tells prose from what stands around it: bylines, credits, share bars, sign-ups, notes of machines. Never cuts prose.

Every pattern is tried on one line of bounded length, and none holds a repetition inside another.
"""

from __future__ import annotations

import html
import re

from aggregator.pipeline.words import drop_tags

#: Lines longer than this are never a byline or a bar of buttons as a whole.
_MAX_LINE = 160
#: More of them in one sentence make a menu.
_MAX_BARS = 2
#: Shorter ones may be nothing but signs, full stops included.
_LEAST_WORDS = 6

_NETWORKS = (
    r"facebook|twitter|x|bluesky|mastodon|linkedin|reddit|whats ?app|pinterest|telegram|threads|hacker news|line"
    r"|weibo"
    r"|e-?mail|print|copy(?: link)?|share|tweet|pocket|flipboard|hatena|はてな|はてなブックマーク|シェア|ツイート"
    r"|微信|微博|分享"
)
_FULL_STOP = re.compile(r"[\w)\]\"'”’»）」』](?:\.|[!?。！？]+)[\"'”’»）)\]」』]*$|[。！？][”’）」』]*$")
#: A whole line that is no prose, unless it ends like a sentence.
_LINE = re.compile(
    # Who wrote it, and when.
    r"(?:by|par|von|por|di|written by|posted (?:by|on|in)|published(?: on| by)?|updated(?: on)?|last updated|author"
    r"|authors"
    r"|reporting by|editing by|editor|translated by|reviewed by|autor|auteur|keywords|added|filed under|tags?"
    r"|category|categories)\b[ :].{0,80}"
    r"|(?:文|著|作者|著者|筆者|執筆|編集|编辑|編輯|责编|責編|责任编辑|責任編輯|来源|來源|出典|出處|出处|記者|记者"
    r"|撰文|整理|翻訳|译者|審校|监制|監修"
    r"|策划|排版|글|기자|출처)\s?[:：=＝／/|｜丨].{0,60}"
    r"|.{1,20}(?:기자|특파원)(?: \S{1,40}@\S{1,40})?"
    # Where the picture is from.
    r"|(?:image|photo|picture|illustration|graphic|screenshot|cover|featured image|header image|video"
    r"|chart)s?(?: (?:credit|source|courtesy)s?| by| via)?\s?[:：].{0,120}"
    r"|(?:image|photo|picture|illustration)s? (?:credits?|courtesy of|by|via) .{0,80}|credits?\s?[:：].{0,80}"
    r"|.{0,60}(?:getty images|shutterstock|unsplash)\)?"
    r"|(?:画像|写真|図版|イラスト|動画|サムネイル|图源|圖源|图片|圖片|图片来源|圖片來源|题图|題圖|图|圖|▲|사진"
    r"|이미지)\s?(?:提供|クレジット)?\s?[:：=＝／/|｜丨].{0,80}"
    r"|(?:foto|bild|crédit(?:s)?(?: photo)?|photo|bildquelle|imagen)\s?[:：].{0,80}"
    # What one may press.
    r"|(?:share|tweet|print|email|save|advertisement|sponsored|subscribe|sign up|log in|sign in|follow us|join us"
    r"|download|listen|watch)\b.{0,30}"
    rf"|(?:(?:{_NETWORKS})[\s|·•,/]*){{2,20}}"
    r"|(?:read|see|view|learn|show|find out) (?:more|the full|the rest|full|on|all|comments|original|entire|article"
    r"|in browser|this)\b.{0,60}"
    r"|(?:continue|keep) reading\b.{0,80}|(?:leave|post|add) a comment.{0,40}|submitted by.{0,60}"
    r"|(?:\[?\d+ )?(?:comments?\]?|replies|likes?"
    r"|views?)(?: \d+| feed)?|comments? on .{0,80}"
    r"|(?:read)?\s?(?:permalink|comments?|source|link|more|original|website|discussion|skip to content"
    r"|table of contents|contents|go to .{0,40})"
    r"|(?:this (?:article|post|story) )?.{0,30}\b\d+[ -]?min(?:ute)?s?(?:'s)?(?:[ -](?:read|listen)\b.{0,20}"
    r"| to read| de lecture| lesezeit| de lectura)"
    r"|(?:reading time|temps de lecture|lesezeit|tiempo de lectura|estimated reading time)\b.{0,40}"
    r"|(?:この記事は)?(?:約|読了(?:時間|目安)?[:：]?\s?約?)?\s?\d+\s?分(?:で読めます|で読了|程度)?.{0,10}"
    r"|(?:预计)?阅读(?:时间|時間)?.{0,3}[:：]?\s?\d+\s?分钟.{0,6}|全文共?.{0,12}字.{0,14}"
    r"|listen to (?:this|the) .{0,60}|(?:sign up|subscribe|join)\b.{0,90}(?:newsletter|inbox|updates|e-?mail"
    r"|channel|podcast)\b.{0,40}"
    r"|(?:続きを読む|もっと読む|全文を読む|記事を読む|続きは|関連記事|この記事をシェア|シェアする|ツイート|目次"
    r"|広告|スポンサーリンク|PR)[^。]{0,40}"
    r"|(?:阅读全文|閱讀全文|阅读原文|閱讀原文|查看全文|查看原文|继续阅读|繼續閱讀|点击查看|點擊查看|点击阅读"
    r"|展开全文|扫码关注|扫描二维码|关注我们|广告|廣告|原文链接|原文鏈接|本文来自|本文转载自|转载请"
    r"|微信公众号)[^。]{0,60}"
    r"|(?:계속 읽기|더 보기|더보기|전체 기사|원문 보기|무단 ?전재|구독하기|ⓒ|©|\(c\)).{0,60}"
    r"|(?:weiterlesen|mehr lesen|lesen sie mehr|lire la suite|lire plus|en savoir plus|leer más|seguir leyendo"
    r"|leggi tutto|continua a leggere|leia mais|continue lendo|читать далее|читать полностью|подробнее|anzeige"
    r"|publicidad|publicité)\b.{0,60}"
    # What machines write.
    r"|(?:article url|comments url|points|(?:# )?comments|announce type|date|url|via|subject|source"
    r"|originally (?:published|posted)|cross-?posted)\s?[:：].{0,160}"
    r"|arxiv:\S{1,40}(?: announce type: \S{1,20})?|abstract|tl;?dr|.{0,12}removed for overview.{0,12}"
    # Chunk marks and lines without a letter: rules, dates, numbers.
    r"|[\W\d_]+(?:年[\d月日時時分秒 :：（）()曜月火水木金土]*)?"
    r"|(?:[a-z]{3,9}\.?,? )?[a-z]{3,9}\.? \d{1,2},?(?: \d{4})?(?:,? \d{1,2}:\d\d.{0,12})?"
    r"|\d{1,2}\.? [a-zé]{3,9}\.? \d{4}.{0,12}",
    re.IGNORECASE,
)
#: A whole sentence that is no prose.
_SENTENCE = re.compile(
    r"(?:(?:image|photo|picture|illustration|featured image|header image|screenshot)s?(?: (?:credit|source"
    r"|attribution)s?| by"
    r"| via| courtesy of)\b|credits?\s?:|photo\s?:|foto\s?:|bild\s?:|画像[:：]|写真[:：]|图源|圖源|图片来源"
    r"|圖片來源|사진=)"
    r"|(?:this|the) (?:post|article|story|entry|piece|essay) (?:was |is |has been )?(?:originally |first "
    r"|also )?(?:published|appeared|cross-?posted|syndicated|reposted|contains affiliate)"
    r"|(?:originally|first) (?:published|posted|appeared) (?:on|at|in)\b"
    r"|(?:read|see) (?:more|the full|the rest|the original|full)\b|(?:continue|keep) reading\b|click (?:here"
    r"|through)\b|(?:sign up|subscribe|join)\b.{0,80}(?:newsletter|inbox|channel|updates|podcast)"
    r"|(?:listen to|watch) (?:this|the) (?:article|story|episode|post)|follow (?:us|me|him|her) on\b|support (?:us"
    r"|me|this) (?:on|by)\b|like this (?:post|article)\b|if you (?:like|enjoy)(?:ed)? this\b"
    r"|thanks? (?:you )?for reading\b|get the .{0,40}newsletter"
    r"|cet article .{0,200}est apparu|l[’']article .{0,200}est apparu|der beitrag .{0,200}erschien"
    r"|la entrada .{0,200}(?:se publicó|aparece) primero|l[’']articolo .{0,200}proviene|o post .{0,200}apareceu"
    r"|(?:сообщение|запись) .{0,200}появил"
    r"|(?:续|続)きを読む|続きはこちら|もっと読む|(?:阅读|閱讀|查看)(?:全文|原文)|点击(?:查看|阅读)|本文(?:来自|转载"
    r"|首发)|转载请|关注我们|欢迎关注|扫码|この記事は.{0,60}(?:転載|提供|に最初に)"
    r"|all rights reserved|©|\(c\) \d{4}|無断転載|무단 ?전재|submitted by|(?:article|comments) url\s?:"
    r"|points\s?:\s?\d|\[link\]|\[comments\]"
    r"|(?:updated|posted|published|created|written) (?:by|on) .{2,60}\d{4}"
    r"|(?:[\w-]{2,20}, (?:[a-z]\.\s?-?){1,3},? ){2}"
    r"|\[(?:last )?updated?\b|(?:update|edit|correction)s?(?: \(?[\d/. -]{4,12}\)?)?\s?[:：]"
    r"|(?:此主题)?相关图片|(?:[\w.'’-]{1,20},? ){1,4}et al\.?$|ceci est un (?:post|article) invité|guest post by"
    r"|@\w{1,30}$|retrieved from\b",
    re.IGNORECASE,
)
#: From here to the end of its line there is no prose.
_TAIL = re.compile(
    r"(?:(?:^|(?<=[\s.!?。！？…\]\"”»)]))(?:The post|The article|L[’']article|Cet article|Der Beitrag|La entrada"
    r"|L[’']articolo|O post|Запись|Сообщение|投稿)\s.{1,300}?"
    r"(?:appeared first|first appeared|est apparu|erschien zuerst|en premier|se publicó primero|aparece primero"
    r"|proviene da|apareceu primeiro|впервые появил|появились сначала|появилась сначала|に最初に(?:表示|公開))"
    r"|(?:^|(?<=\s))submitted by\s{1,3}/?u/\S"
    r"|(?:\[?(?:…|\.\.\.)\]?|(?<=[\s.!?。！？…\]]))\s?(?:\(?(?:continue reading|keep reading|read more"
    r"|read the full|read the rest|read on|read full|view original|more on|click to read"
    r"|weiterlesen|mehr lesen|lire la suite|leer más|seguir leyendo|leggi tutto|leia mais|читать далее|continued)\b"
    r"|続きを読む|もっと読む|阅读全文|閱讀全文|阅读原文|查看全文|继续阅读|繼續閱讀|계속 읽기|더 보기)(?=.{0,120}$))"
    r".*$|(?<=[.!?。！？…])\s(?:more|mehr|suite)\s?(?:…|\.{3}|[»→›])$",
    re.IGNORECASE,
)
#: A line without any of these has no such tail: cheaper to see than to search.
_TAIL_WORDS = (
    "appeared", "est apparu", "erschien zuerst", "en premier", "primero", "primeiro", "proviene da", "впервые",
    "сначала", "最初に", "submitted by", "keep reading", "continue reading", "read more", "read the", "read on",
    "read full", "view original", "more on", "click to", "weiterlesen", "mehr", "lire la", "leer más", "leyendo",
    "leggi", "leia mais", "читать", "continued", "suite", "続きを", "もっと", "全文", "阅读", "閱讀", "继续", "繼續",
    "계속", "더 보기", " more…", " more...", " more »", " more →", " more ›",
)  # fmt: skip
#: What stands before the first word of prose.
_HEAD = re.compile(
    r"(?:(?:arXiv:\S{1,40}\s)?Announce Type:\s?[\w-]{1,20}\s?)?(?:Abstract\s?[:.—–-]\s?)"
    r"|arXiv:\S{1,40}\sAnnounce Type:\s?[\w-]{1,20}\s"
    r"|updated?:? \d{1,2} [a-z]{3,9}\.? \d{4}\s|\[(?:last )?(?:updated?|edit(?:ed)?|note)\b[^\[\]]{0,900}\]\.?\s?"
    r"|(?:tl;?dr|abstract|summary|要約|概要|摘要|导语|導讀)\s?[:：]\s?"
    r"|(?:#{1,6}|[-*+–—]|>{1,3}|\d{1,2}[.)-](?=\s[A-Z]))\s(?=\S)|(?:…|\.{2,4}|\?(?=\s))\s?(?=\S)"
    r"|[•▪‣·●○■□◆▲▼※►▶➤→👉🔗]\s?(?=\S)"
    r"|\d{1,2} ?min(?:ute)?s?(?: read)\b[\s|·•:—–-]{0,3}|[(（\[【](?:記者|记者"
    r"|by)[^()（）\[\]【】]{1,30}[)）\]】]\s?",
    re.IGNORECASE,
)

_MARKDOWN_LINK = re.compile(r"(!?)\[([^\[\]]{0,200})\]\([^()\s]{1,300}\)")
_EMPHASIS = re.compile(r"(?<![\w*])(\*\*|__|\*|~~)(?=\S)([^*~]{1,300}?)(?<=\S)\1(?![\w*])")
_STRONG = re.compile(r"\*\*(?=\S)([^*]{1,300}?)(?<=\S)\*\*")
_CODE = re.compile(r"(`{1,3})([^`]{1,200})\1")
_REFERENCE = re.compile(r"&(?:#\d{2,6}|#x[0-9a-fA-F]{2,5}|[a-zA-Z]{2,8});")
#: What WordPress would have replaced: a name with an underscore, or one of its own.
_SHORTCODE = re.compile(
    r"\[/?(?:[a-z]+_[a-z_]{1,60}|caption|gallery|embed|audio|video|playlist|button|row"
    r"|column)\b[^\[\]]{0,1500}(?:\]|$|(?=\[))"
)
_LINKS_AFTER = re.compile(r"(?:\s?\[(?:link|comments|source|pdf|\d{1,2})\]){1,5}(?=\s|$)", re.IGNORECASE)
_MARKS = frozenset("<[*_`&~")


def drop_markup(line: str) -> str:
    """``line`` without what is left of HTML and Markdown in it: publishers escape twice, and write plain text."""
    if _MARKS.isdisjoint(line):
        return line
    if "&" in line:
        line = " ".join(_REFERENCE.sub(lambda found: html.unescape(found[0]), line).split())
    if "<" in line:
        line = " ".join(drop_tags(line).split())
    if "[" in line:
        line = _MARKDOWN_LINK.sub(lambda found: "" if found[1] else found[2], line)
        line = _SHORTCODE.sub("", _LINKS_AFTER.sub("", line))
    if "`" in line:
        line = _CODE.sub(r"\2", line)
    if "**" in line:
        line = _STRONG.sub(r"\1", line)
    if "*" in line or "_" in line or "~~" in line:
        line = _EMPHASIS.sub(r"\2", line)
    return line.strip()


def drop_furniture(line: str) -> str:
    """The prose of one line, without spaces at its ends; empty when it holds none."""
    line = drop_markup(line)
    for _ in range(4):
        found = _HEAD.match(line)
        if not found or not found[0]:
            break
        line = line[found.end() :]
    if _is_bar(line):
        return ""
    lower = line.lower()
    if any(map(lower.__contains__, _TAIL_WORDS)) and (found := _TAIL.search(line)):
        # A post that has its own name in such a sentence may hold several sentences: the line goes from there on.
        line = line[: found.start()].rstrip() + ("…" if found[0][0] in "…." else "")
        if _is_bar(line):
            return ""
    return line.strip()


def _is_bar(line: str) -> bool:
    """Whether a line is no sentence and, as a whole, no prose."""
    if len(line) < _LEAST_WORDS and not any(map(str.isalnum, line)):
        return True
    return len(line) <= _MAX_LINE and not _FULL_STOP.search(line[-16:]) and _LINE.fullmatch(line) is not None


def is_furniture(sentence: str) -> bool:
    """Whether a sentence says something about the page and nothing about the matter."""
    return _SENTENCE.match(sentence) is not None or sentence.count(" | ") > _MAX_BARS
