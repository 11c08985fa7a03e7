"""What every page of the desk costs at size, on both databases: milliseconds as a browser waits for them.

    PYTHONPATH=. python bench/desk.py [--feeds 10000] [--entries 1000000] [--subscribers 100000] [--days 120]
        [--runs 15] [--keep FOLDER] [--only sqlite|postgresql] [--pages TEXT]

Fills a PostgreSQL of its own (`size_rows`, `desk_rows`) and copies the rows into a file of SQLite, which takes minutes;
with ``--keep`` both stay in FOLDER and are asked again without being filled. Then, for each: the desk is served by a
process of its own on 127.0.0.1, an editor logs in, and every page of every room is asked by its route, with real
numbers in its address; then what its links and forms lead to (`desk_pages`): each filter, each order, the twentieth
page. Each ``--runs`` times over one connection that stays open, from the request to the last byte; nothing is left out,
the first time counts as well. Listings of the API are asked with a token. Files (the list of all readers) are to begin
in time; how long they take is told apart. ``--pages``: only routes that hold this text.

Exit code 1: a median is above 100 ms, or a page did not answer 200.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

from desk_fill import NOW, Size, open_databases
from desk_pages import API, DEEP, ROOT, get_keys, get_turn, list_links, list_pages, list_previews, read_samples
from desk_server import NAME, PASSWORD
from memory import PROJECT

from aggregator.config import load_config

GOAL_MS = 100.0
_CSRF = re.compile(r'name="csrf"[^>]*?value="([^"]+)"|value="([^"]+)"[^>]*?name="csrf"')


@dataclass
class Client:
    """One browser, logged in; and one program."""

    port: int
    conn: http.client.HTTPConnection = field(init=False)
    cookie: str = ""
    token: str = ""
    #: Of the last answer: it is a file to be kept, and after so many milliseconds its first byte came.
    is_file: bool = False
    began: float = 0.0

    def __post_init__(self) -> None:
        self.conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    def ask(self, path: str, form: dict[str, str] | None = None) -> tuple[int, bytes, float]:
        """Status, body, milliseconds."""
        headers = {"Cookie": self.cookie} if self.cookie else {}
        if path.startswith(API):
            headers = {"Authorization": f"Bearer {self.token}"}
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        began = time.perf_counter()
        try:
            self.conn.request("GET" if form is None else "POST", path, urlencode(form) if form else None, headers)
            with self.conn.getresponse() as response:
                self.began = (time.perf_counter() - began) * 1000
                self.is_file = "attachment" in response.headers.get("Content-Disposition", "")
                body = response.read()
        except OSError:  # it hangs up after a fault; the next question has a connection of its own
            self.conn.close()
            return 0, b"", (time.perf_counter() - began) * 1000
        taken = (time.perf_counter() - began) * 1000
        if cookie := response.headers.get("Set-Cookie"):
            self.cookie = cookie.partition(";")[0]
        return response.status, body, taken

    def log_in(self) -> str:
        """As a person does; then a token for the API is made at the account's page. What forms of this session hold."""
        csrf = self._find_csrf("/login")
        status, _, _ = self.ask(f"{ROOT}/login", {"name": NAME, "password": PASSWORD, "to": "/", "csrf": csrf})
        assert status == 303, status
        csrf = self._find_csrf("/account")
        form = {"label": "bench", "role": "editor", "csrf": csrf}  # who reads addresses
        status, body, _ = self.ask(f"{ROOT}/account/tokens", form)
        found = re.search(r">\s*([A-Za-z0-9_-]{40,})\s*<", body.decode())
        assert status == 200 and found, (status, body)
        self.token = found[1]
        return csrf

    def _find_csrf(self, path: str) -> str:
        status, body, _ = self.ask(ROOT + path)
        found = _CSRF.search(body.decode())
        assert status == 200 and found, (path, status)
        return found[1] or found[2]


@dataclass
class Taken:
    """What one address cost."""

    route: str
    path: str
    status: int
    size: int
    times: list[float]
    #: A file with all there is, as long as there are rows: it is to begin in time, not to end.
    is_file: bool
    begins: list[float]
    #: As it should be: of its route another address was answered (a draft has no mails, what was sent is no draft).
    is_refused: bool = False

    @property
    def median(self) -> float:
        return statistics.median(self.times)

    @property
    def is_bad(self) -> bool:
        late = (statistics.median(self.begins) if self.is_file else self.median) > GOAL_MS
        return late or not (self.status == 200 or self.is_refused)


@contextmanager
def serve_desk(config: Path) -> Iterator[int]:
    """The desk's port."""
    command = [sys.executable, str(Path(__file__).with_name("desk_server.py")), str(config), NOW.isoformat()]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, cwd=PROJECT, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def measure(config: Path, runs: int, wanted: str) -> list[Taken]:
    """Every page, and where it leads."""
    url = load_config(config, {}).database.get_secret_value()
    found: list[Taken] = []
    with serve_desk(config) as port:
        client = Client(port)
        csrf = client.log_in()
        for route, path in list_pages(read_samples(url)):
            if wanted not in route:
                continue
            taken = ask_often(client, route, path, runs)
            found.append(taken)
            if taken.status == 200 and route.startswith(ROOT) and not taken.is_file:
                found += [ask_often(client, route, link, runs) for link in find_further(client, path)]
        for route, path, form in list_previews(read_samples(url)):
            if wanted in route:
                found.append(ask_often(client, route, path, runs, {**form, "csrf": csrf}))
    answered = {taken.route for taken in found if taken.status == 200}
    for taken in found:
        taken.is_refused = taken.status in (404, 409, 422) and taken.route in answered
    return found


def ask_often(client: Client, route: str, path: str, runs: int, form: dict[str, str] | None = None) -> Taken:
    """One address, and a line of progress."""
    status, body, first = client.ask(path, form)
    taken = Taken(route, path, status, len(body), [first], client.is_file, [client.began])
    for _ in range(runs - 1 if status == 200 else 0):
        taken.times.append(client.ask(path, form)[2])
        taken.begins.append(client.began)
    spent = " ".join(f"{one:8.1f}" for one in (min(taken.times), taken.median, max(taken.times)))
    print(f"  {spent} {status} {path}", file=sys.stderr, flush=True)
    return taken


def find_further(client: Client, path: str) -> list[str]:
    """What a page's links and forms lead to: one of each set of parameters and values that matter, and a deep page."""
    links = list_links(path, client.ask(path)[1].decode())
    some: dict[object, str] = {}
    for link in links:
        turn = get_turn(link)
        some.setdefault(get_keys(link) if turn else link, link)
    chosen = limit_each(list(some.values()))
    return [go_deep(client, link) if get_turn(link) else link for link in chosen]


def limit_each(links: list[str], most: int = 6) -> list[str]:
    """At most so many of the same parameters."""
    counts: dict[tuple[str, ...], int] = {}
    chosen = []
    for link in links:
        keys = get_keys(link)
        counts[keys] = counts.get(keys, 0) + 1
        if counts[keys] <= most:
            chosen.append(link)
    return chosen


def go_deep(client: Client, link: str) -> str:
    """The page that turning leads to."""
    for _ in range(DEEP - 1):
        turn = get_turn(link)
        same = [next_ for next_ in list_links(link, client.ask(link)[1].decode()) if get_turn(next_) == turn]
        if not same or same[-1] == link:
            break
        link = same[-1]
    return link


def print_table(found: dict[str, list[Taken]]) -> None:
    """A row for each route: what is slowest of its addresses; then each address that is over the goal."""
    kinds = list(found)
    print(f"| page | asked | {' | '.join(f'{kind}: median ms | worst ms' for kind in kinds)} |")
    print(f"|---|---|{'---|---|' * len(kinds)}")
    for route in dict.fromkeys(taken.route for some in found.values() for taken in some if not taken.is_file):
        cells, count = [], 0
        for kind in kinds:
            some = [taken for taken in found[kind] if taken.route == route]
            count = max(count, len({taken.path for taken in some}))
            cells.append(f"{max(t.median for t in some):.0f} | {max(max(t.times) for t in some):.0f}" if some else "| ")
        print(f"| `{route}` | {count} | {' | '.join(cells)} |")
    for kind, some in found.items():
        for taken in some:
            if taken.status != 200 and not taken.is_refused:
                print(f"{kind}: {taken.path}: answered {taken.status}")
            elif taken.is_file:
                begins = statistics.median(taken.begins)
                print(f"{kind}: {taken.path}: a file, {taken.size:,} bytes, begins after {begins:.0f} ms,", end=" ")
                print(f"ends after {taken.median:.0f} ms")
            elif taken.is_bad:
                print(f"{kind}: {taken.path}: {taken.median:.0f} ms, {taken.size:,} bytes")


def main() -> int:
    """Print the table; 1 when a page is too slow, or broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--feeds", type=int, default=10_000)
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--subscribers", type=int, default=100_000)
    parser.add_argument("--days", type=float, default=120)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--only", choices=("sqlite", "postgresql"), default="")
    parser.add_argument("--pages", default="")
    parser.add_argument("--json", type=Path, help="write every time to this file")
    options = parser.parse_args()
    size = Size(options.feeds, options.entries, options.subscribers, options.days)
    with nullcontext(str(options.keep)) if options.keep else tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)  # PostgreSQL runs as somebody else
        found = {}
        with open_databases(folder, size, keep=bool(options.keep), only=options.only) as configs:
            for kind, config in configs.items():
                print(kind, file=sys.stderr, flush=True)
                found[kind] = measure(config, options.runs, options.pages)
    if options.json:
        options.json.write_text(json.dumps({kind: [vars(one) for one in some] for kind, some in found.items()}))
    print_table(found)
    every = [taken for some in found.values() for taken in some]
    over = [taken for taken in every if taken.is_bad]
    print(f"\n{len(every)} addresses asked, {options.runs} times each; {len(over)} over {GOAL_MS:.0f} ms or broken")
    return int(bool(over))


if __name__ == "__main__":
    sys.exit(main())
