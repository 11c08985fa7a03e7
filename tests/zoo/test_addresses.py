"""Z1-Z13, T1-T4: no packet leaves for an address that is not public, whatever names it and however it is written.

Every table runs over the whole list of addresses in one round. What was to be connected is recorded twice: at Python's
``connect``, before the zoo turns it to its own server, and by an audit hook of the interpreter, after that.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from aggregator.app import App
from aggregator.fetch import address as address_room
from aggregator.model.feed import FeedSpec
from aggregator.storage import feeds
from tests.zoo.conftest import Zoo, check_healthy, on_sqlite, run_round
from tests.zoo.documents import HEALTHY, atom, in_turn, redirect, rss, serve
from tests.zoo.expect import check_animal, refused
from tests.zoo.server import Visit
from tests.zoo.world import SocketLog

pytestmark = on_sqlite

#: As a name server may say them.
PRIVATE = """
    0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 100.64.0.1 100.127.255.255 127.0.0.1 127.0.0.53 127.255.255.254
    169.254.0.1 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.170 192.0.2.1 192.88.99.1 192.168.0.1
    192.168.255.255 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.250 240.0.0.1
    255.255.255.255
    :: ::1 ::127.0.0.1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0:127.0.0.1
    64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 100::1 2001::1 2001:10::1 2001:20::1 2001:db8::1 2002:7f00:1::
    2002:a00:1:: 3fff::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fec0::1 ff02::1 ff05::2
""".split()
#: As an editor, a list of feeds or a redirect may write them, with what the name server would be asked.
WRITTEN = """
    127.1 127.0.1 0 2130706433 0x7f000001 0x7f.1 0x7f.0x0.0x0.0x1 0177.0.0.1 017700000001 ①②⑦.⓪.⓪.① 127。0。0。1
    １２７.0.0.1 127.0.0.1. localhost LOCALHOST localhost. 3232235521 0xa9fea9fe 0251.0376.0251.0376 10.1 192.168.257
    %31%32%37.0.0.1 [0:0:0:0:0:0:0:1] [::FFFF:7F00:1] [0000::1] [fe80::1%25lo] [fe80::1%25eth0] [::1%25lo]
""".split()


def write(address: str) -> str:
    return f"[{address}]" if ":" in address else address


ADDRESSES = [write(address) for address in PRIVATE] + WRITTEN


@pytest.fixture(autouse=True)
def nothing_leaves(zoo: Zoo, socket_log: SocketLog) -> Iterator[None]:
    """The proof, after each of these tests: only the zoo's own server was connected, for its public names."""
    socket_log.start()
    yield
    seen = socket_log.stop()
    own = {("127.0.0.1", zoo.server.plain_port)}
    assert [event for event in seen if event[1] not in own] == []
    assert zoo.world.strays == []


def add_unchecked(app: App, urls: list[str]) -> None:
    """Feeds at addresses that a configuration would refuse."""
    with app.db.write() as conn:
        for url in urls:
            feeds.add(conn, FeedSpec(url=url, origin="added"), now=app.now())


def test_the_table_is_long() -> None:
    assert len(set(ADDRESSES)) >= 70


@pytest.mark.parametrize("port", ["", ":8000", ":443"])
def test_no_feed_lives_at_an_address_that_is_not_public(port: str, zoo: Zoo) -> None:
    zoo.add_healthy()
    urls = [f"http://{host}{port}/feed" for host in ADDRESSES]
    with zoo.open() as app:
        add_unchecked(app, urls)
        results = run_round(app)
        check_healthy(zoo, results)
        for url in urls:
            check_animal(app, url, results[url], refused("blocked", "dns"))
        odd = [url for url in urls if results[url].failure_class == "dns"]

    assert len(odd) < 8, f"refused for want of a name, not by the guard: {odd}"
    assert len(zoo.world.connected) == len(zoo.healthy)


def test_no_redirect_leads_to_an_address_that_is_not_public(zoo: Zoo) -> None:
    """Z1-Z6."""
    statuses = (301, 302, 303, 307, 308)
    urls = [
        zoo.add(redirect(f"http://{host}/latest/meta-data/", statuses[number % 5]))
        for number, host in enumerate(ADDRESSES)
    ]
    zoo.add_healthy()
    with zoo.open() as app:
        results = run_round(app)
        check_healthy(zoo, results)
        for url in urls:
            check_animal(app, url, results[url], refused("blocked", "dns"))

    assert len(zoo.server.requests) == len(zoo.specs)


def test_a_name_that_is_public_first_and_private_then_stays_what_it_was(zoo: Zoo) -> None:
    """Z7: within the time that an answer is kept, the second lookup does not happen."""
    urls = []
    for number, address in enumerate(PRIVATE):
        urls.append(zoo.add(in_turn(redirect("?again"), serve(HEALTHY)), host=f"flip{number}.example"))
        zoo.world.names[f"flip{number}.example"] += [[address]]
    with zoo.open() as app:
        results = run_round(app)
        assert {results[url].new for url in urls} == {3}

    assert len(zoo.world.lookups) == len(PRIVATE)


def test_a_name_that_turns_private_between_two_hops_is_refused(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Z7, after that time: the second answer is judged like the first."""
    monkeypatch.setattr(address_room, "ANSWER_SECONDS", -1.0)
    urls = []
    for number, address in enumerate(PRIVATE):
        urls.append(zoo.add(redirect("?again"), host=f"flip{number}.example"))
        zoo.world.names[f"flip{number}.example"] += [[address]]
    zoo.add_healthy()
    with zoo.open() as app:
        results = run_round(app)
        check_healthy(zoo, results)
        for url in urls:
            check_animal(app, url, results[url], refused("blocked"))

    assert len(zoo.server.requests) == len(zoo.specs), "each was asked once, at its public address"


@pytest.mark.parametrize("private_first", [True, False])
def test_of_mixed_answers_only_the_public_one_is_tried(private_first: bool, zoo: Zoo) -> None:
    """Z8."""
    urls = []
    for number, address in enumerate(PRIVATE):
        host = f"mixed{number}.example"
        urls.append(zoo.add(serve(HEALTHY), host=host))
        public = zoo.world.settle(host)
        zoo.world.names[host] = [[address, public] if private_first else [public, address]]
    with zoo.open() as app:
        results = run_round(app)
        assert {results[url].new for url in urls} == {3}


def test_when_the_public_one_of_mixed_answers_is_dead_the_private_one_is_not_tried(zoo: Zoo) -> None:
    """Z8."""
    urls = []
    for number, address in enumerate(PRIVATE):
        host = f"mixed{number}.example"
        urls.append(zoo.add(serve(HEALTHY), host=host))
        public = zoo.world.settle(host)
        zoo.world.dead.add(public)
        zoo.world.names[host] = [[public, address]]
    zoo.add_healthy()
    with zoo.open() as app:
        results = run_round(app)
        check_healthy(zoo, results)
        assert {results[url].failure_class for url in urls} == {"connect"}


REDIRECTS = {
    "Z9 file": "file:///etc/passwd",
    "Z9 file of a host": "file://animal0.example/etc/passwd",
    "Z9 ftp": "ftp://animal0.example/feed",
    "Z9 gopher": "gopher://animal0.example:70/_GET",
    "Z9 data": "data:text/xml,<rss/>",
    "Z9 feed": "feed://animal0.example/feed",
    "Z9 feed:http": "feed:http://animal0.example/feed",
    "Z9 javascript": "javascript:alert(1)",
    "Z9 unix": "http+unix://%2Fvar%2Frun%2Fdocker.sock/info",
    "Z9 view-source": "view-source:http://animal0.example/",
    "Z9 ws": "ws://animal0.example/feed",
    "Z10 user": "http://user@animal0.example/feed",
    "Z10 user and password": "http://user:pw@animal0.example/feed",
    "Z10 empty user": "http://:@animal0.example/feed",
    "Z10 user that looks like a host": "http://animal0.example:80@10.0.0.1/feed",
    "Z11 SMTP": "http://animal0.example:25/",
    "Z11 SSH": "http://animal0.example:22/",
    "Z11 Redis": "http://animal0.example:6379/",
    "Z11 PostgreSQL": "http://animal0.example:5432/",
    "Z11 Docker": "http://animal0.example:2375/",
    "Z11 memcached": "http://animal0.example:11211/",
    "Z11 port 0": "http://animal0.example:0/",
    "no host": "http:///feed",
    "a newline": "http://animal0.example/\nfeed: x",
    "backslashes": "http:\\\\10.0.0.1\\feed",
    "a double slash": "//10.0.0.1/feed",
}


def test_redirects_that_are_no_web_address_lead_nowhere(zoo: Zoo) -> None:
    zoo.add_healthy()
    urls = {zoo.add(redirect(target)): name for name, target in REDIRECTS.items() if "\n" not in target}
    with zoo.open() as app:
        results = run_round(app)
        check_healthy(zoo, results)
        for url, name in urls.items():
            # What is read as a path on the same host ends there.
            check_animal(app, name, results[url], refused("blocked", "http"))
            assert results[url].failure_class == "blocked" or name in ("backslashes", "no host"), name


def test_nothing_that_a_document_names_is_asked_for(zoo: Zoo) -> None:
    """Z13: pictures, icons, enclosures, clouds, style sheets: private or public, they are only named."""
    private = "http://10.0.0.1"
    inside = f"""<link>{private}/page</link><comments>{private}/comments</comments>
        <enclosure url="{private}/a.mp3" type="audio/mpeg" length="1"/><source url="{private}/source">s</source>
        <media:thumbnail xmlns:media="http://search.yahoo.com/mrss/" url="{private}/t.png"/>
        <media:content xmlns:media="http://search.yahoo.com/mrss/" url="{private}/t.mp4" medium="video"/>
        <description>&lt;img src="{private}/i.png" srcset="{private}/2.png 2x"&gt;
        &lt;link rel=stylesheet href="{private}/x.css"&gt;
        &lt;iframe src="{private}/f"&gt;&lt;/iframe&gt;</description>"""
    channel = f"""<link>{private}/</link><image><url>{private}/logo.png</url><link>{private}/</link></image>
        <cloud domain="10.0.0.1" port="80" path="/RPC2" registerProcedure="p" protocol="xml-rpc"/>
        <docs>{private}/d</docs>
        <textInput><link>{private}/input</link></textInput>"""
    head = f"""<icon>{private}/favicon.ico</icon><logo>{private}/logo.png</logo><link href="{private}/"/>
        <link rel="next" href="{private}/2"/><link rel="prev-archive" href="{private}/old"/>"""
    style = f'<?xml version="1.0"?><?xml-stylesheet type="text/xsl" href="{private}/s.xsl"?>'
    urls = [
        zoo.add(serve(rss(f"<item><guid>1</guid><title>T</title>{inside}</item>", channel, style))),
        zoo.add(serve(atom(f"<entry><id>urn:1</id><link rel='enclosure' href='{private}/e'/></entry>", head))),
        zoo.add(serve(HEALTHY, Link=f"<{private}/style.css>; rel=stylesheet, <{private}/p>; rel=preload")),
        zoo.add(serve(HEALTHY, Refresh=f"0; url={private}/", Content_Location=f"{private}/feed")),
    ]
    with zoo.open() as app:
        results = run_round(app)
        assert [results[url].failure_class for url in urls] == [""] * 4

    assert len(zoo.server.requests) == len(zoo.specs)
    assert len(zoo.world.lookups) == len(zoo.specs)


async def lead_on(visit: Visit) -> None:
    """A first hop that is fine, and then one that is not."""
    await visit.answer(b"", 302, Location="?again" if visit.times == 0 else "http://192.168.0.1/")


def test_every_hop_is_judged_and_not_only_the_first(zoo: Zoo) -> None:
    url = zoo.add(lead_on)
    with zoo.open() as app:
        check_animal(app, "second hop", run_round(app)[url], refused("blocked"))

    assert len(zoo.server.requests) == 2
