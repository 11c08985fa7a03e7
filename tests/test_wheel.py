"""The installed wheel works from an empty folder: no file of the checkout is needed.

What it expects of the program: without a config.yaml, ``check`` and ``publish`` use the shipped configuration, its
relative paths starting from the current folder; ``publish`` on a new database writes the pages of an empty site.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Installed:
    """A wheel, and the environment that it alone was installed into."""

    wheel: Path
    python: Path

    @property
    def program(self) -> Path:
        return self.python.with_name("aggregator")


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run with nothing of this checkout in the environment; the output is part of a failure's message."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG", "TMPDIR") if key in os.environ}
    return subprocess.run(command, cwd=cwd, env=kept, capture_output=True, text=True, check=False, timeout=180)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel of this checkout in a fresh environment that borrows only the third-party packages of this one.

    A ``.pth`` line adds their folder to ``sys.path`` without reading the ``.pth`` files in it, so the checkout, which
    is installed there as editable, stays invisible.
    """
    folder = tmp_path_factory.mktemp("wheel")
    built = run(
        sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder / "dist", PROJECT, cwd=folder
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = (folder / "dist").glob("*.whl")

    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    done = run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    (site_packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (site_packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return Installed(wheel=wheel, python=python)


def test_wheel_holds_what_the_program_needs(installed: Installed) -> None:
    """Templates, the shipped configuration and the licence are inside; tests and samples are not."""
    names = set(zipfile.ZipFile(installed.wheel).namelist())
    templates = {f"aggregator/templates/{path.name}" for path in (PROJECT / "templates").iterdir() if path.is_file()}
    shipped = {path.relative_to(PROJECT).as_posix() for path in (PROJECT / "aggregator" / "data").rglob("*.*")}

    assert {"aggregator/data/config.yaml", *templates, *shipped} <= names
    assert any(name.endswith("/LICENSE") for name in names)
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"aggregator", "ai_news_aggregator"}


def test_the_checkout_is_invisible(installed: Installed, tmp_path: Path) -> None:
    """The tests below would mean nothing if the program came from the checkout."""
    done = run(installed.python, "-c", "import aggregator, jinja2; print(aggregator.__file__)", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).is_relative_to(installed.python.parent.parent)


def test_check_from_an_empty_folder(installed: Installed, tmp_path: Path) -> None:
    """`aggregator check` finds nothing wrong with the shipped configuration and its templates."""
    done = run(installed.program, "check", cwd=tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_publish_from_an_empty_folder(installed: Installed, tmp_path: Path) -> None:
    """`aggregator publish --out DIR` writes a site, on a database that it makes in the current folder."""
    done = run(installed.program, "publish", "--out", "site", cwd=tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "site" / "index.html").read_text(encoding="utf-8").lstrip().lower().startswith("<!doctype html")
    assert (tmp_path / "site" / "feed.atom").read_bytes().startswith(b"<?xml")
    assert list(tmp_path.glob("**/*.db"))


def test_list_as_json_from_an_empty_folder(installed: Installed, tmp_path: Path) -> None:
    """`--json` prints one document and nothing else on standard output."""
    done = run(installed.program, "stories", "list", "--json", cwd=tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout) == []
