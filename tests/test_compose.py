"""compose.yaml says what it must: the schema of compose files, commands and variables of ours, files that are there."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from ruamel.yaml import YAML

from aggregator.cli.commands import cli
from aggregator.config import load_config
from aggregator.config.environment import PREFIX, get_variables

PROJECT = Path(__file__).resolve().parent.parent
EXAMPLES = PROJECT / "examples" / "cluster"
OURS = "ai-news-aggregator"
GUARDS = ("read_only", "cap_drop", "security_opt", "tmpfs", "stop_grace_period", "restart")


def read_compose() -> dict[str, Any]:
    with (PROJECT / "compose.yaml").open(encoding="utf-8") as file:
        found: dict[str, Any] = YAML(typ="safe").load(file)
    return found


COMPOSE = read_compose()
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
CLUSTER = sorted(name for name, service in SERVICES.items() if service.get("profiles") == ["cluster"])
CLUSTER_OURS = [name for name in CLUSTER if SERVICES[name]["image"] == OURS]


def split_mounts(service: dict[str, Any]) -> list[tuple[str, str]]:
    """What is mounted, and where."""
    return [(volume.split(":")[0], volume.split(":")[1]) for volume in service.get("volumes", ())]


def find_commands(service: dict[str, Any]) -> list[list[str]]:
    """Each call of our program in what the service runs: its arguments."""
    text = " ".join(service["command"])
    return [found.split() for found in re.findall(r"\baggregator ([^;]+)", text)]


def test_it_is_a_compose_file() -> None:
    """By the schema of the Compose specification."""
    check = Path(sys.executable).with_name("check-jsonschema")
    command = [str(check), "--builtin-schema", "vendor.compose-spec", str(PROJECT / "compose.yaml")]

    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_without_a_profile_there_is_one_container_on_sqlite() -> None:
    """Which the cluster's file of variables takes away, and nothing else does."""
    (name,) = sorted(set(SERVICES) - set(CLUSTER))

    assert name == "aggregator"
    assert SERVICES[name]["deploy"]["replicas"] == "${SINGLE:-1}"
    assert not SERVICES[name].keys() & {"secrets", "depends_on", "networks"}
    assert SERVICES[name]["volumes"] == ["data:/data"]
    assert "AGGREGATOR_DATABASE" not in SERVICES[name]["environment"]


def test_the_cluster_is_complete() -> None:
    """PostgreSQL of a pinned version, one that ticks, many that work and serve, one that publishes, a proxy."""
    assert CLUSTER == ["database", "proxy", "publisher", "scheduler", "web", "worker"]
    assert re.fullmatch(r"postgres:\d+", SERVICES["database"]["image"])
    assert SERVICES["database"]["healthcheck"]["test"][:2] == ["CMD", "pg_isready"]
    assert re.fullmatch(r"nginx:\d+\.\d+", SERVICES["proxy"]["image"])
    assert "replicas" not in SERVICES["scheduler"]["deploy"]
    assert all("replicas" in SERVICES[name]["deploy"] for name in ("web", "worker"))


@pytest.mark.parametrize("name", CLUSTER_OURS)
def test_our_services_are_guarded_like_the_single_one(name: str) -> None:
    """Read-only, without capabilities, with a limit of memory."""
    single, service = SERVICES["aggregator"], SERVICES[name]

    assert {key: service.get(key) for key in GUARDS} == {key: single[key] for key in GUARDS}
    assert service["deploy"]["resources"] == single["deploy"]["resources"]
    assert "ports" not in service


@pytest.mark.parametrize("name", ["database", "proxy"])
def test_the_others_are_guarded_too(name: str) -> None:
    """And do not run as root."""
    service = SERVICES[name]

    assert service["read_only"] and service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["deploy"]["resources"]["limits"]["memory"]
    assert service["user"] not in ("", "root", "0")


@pytest.mark.parametrize("name", CLUSTER_OURS)
def test_commands_are_commands_of_our_program(name: str) -> None:
    """With options that they take."""
    commands = typer.main.get_command(cli).commands  # type: ignore[attr-defined]
    called = find_commands(SERVICES[name])

    assert called
    for command, *options in called:
        commands[command].make_context(command, options).close()


@pytest.mark.parametrize("name", CLUSTER_OURS)
def test_variables_are_variables_of_ours(name: str) -> None:
    """The shipped configuration with them is without a mistake, on PostgreSQL, and holds no password."""
    environment = SERVICES[name]["environment"]
    ours = {key: value for key, value in environment.items() if key.startswith(PREFIX)}

    config = load_config(PROJECT / "config.yaml", ours)

    assert ours.keys() <= {*get_variables(), "AGGREGATOR_CONFIG"}
    assert config.database_url == "postgresql://aggregator@database/aggregator"
    assert environment["PGPASSFILE"].startswith("/tmp/")


def test_the_password_is_in_a_secret_file_only() -> None:
    """Those who ask the database, and it alone, are given it; git never sees it."""
    secret = COMPOSE["secrets"]["database_password"]["file"]
    ignored = subprocess.run(["git", "check-ignore", "--quiet", secret], cwd=PROJECT, check=False)

    assert ignored.returncode in (0, 128)  # 128: an unpacked archive
    for name in CLUSTER:
        assert ("database_password" in SERVICES[name].get("secrets", ())) == (
            "inside" in SERVICES[name].get("networks", ())
        )
        for key, value in SERVICES[name].get("environment", {}).items():
            assert "PASSWORD" not in key or (key.endswith("_FILE") and value == "/run/secrets/database_password")


def test_what_is_named_is_there() -> None:
    """Mounted files, volumes, networks, services that are waited for, and variables, each with its default."""
    text = (PROJECT / "compose.yaml").read_text(encoding="utf-8")
    given = dict(re.findall(r"^([A-Z_]+)=(.*)$", (EXAMPLES / "cluster.env").read_text(encoding="utf-8"), re.MULTILINE))
    defaults = dict(re.findall(r"\$\{([A-Z_]+):-(\w+)\}", text))

    for service in SERVICES.values():
        for source, _ in split_mounts(service):
            assert (PROJECT / source).is_file() if source.startswith(".") else source in COMPOSE["volumes"], source
        assert set(service.get("networks", ())) <= {"default", *COMPOSE["networks"]}
        assert service.get("depends_on", {}).keys() <= SERVICES.keys()
    assert len(re.findall(r"\$\{", text)) == len(defaults)
    assert {**defaults, "COMPOSE_PROFILES": "cluster", "SINGLE": "0"} == given


def test_all_of_ours_read_the_same_configuration() -> None:
    """At the same place: what it names by relative paths, folders of posts among them, is known by where it is."""
    for name in CLUSTER_OURS:
        assert ("data", "/data") in split_mounts(SERVICES[name])
        assert "AGGREGATOR_CONFIG" not in SERVICES[name]["environment"]


def test_what_is_published_is_what_the_proxy_shows() -> None:
    """One volume, where the one writes and the other looks."""
    (words,) = find_commands(SERVICES["publisher"])
    written = {place: volume for volume, place in split_mounts(SERVICES["publisher"])}
    shown = {place: volume for volume, place in split_mounts(SERVICES["proxy"])}

    assert written[words[words.index("--out") + 1]] == shown["/site"] == "site"
    assert "root /site;" in (EXAMPLES / "nginx.conf").read_text(encoding="utf-8")


@pytest.mark.parametrize("password", ["plain", r"a:b\c $x 'y'", "with a line end\n"])
def test_the_password_reaches_the_database(password: str, postgres_url: str, tmp_path: Path) -> None:
    """Through a file that nobody else may read, and neither arguments nor environment."""
    (tmp_path / "secret").write_text(password, encoding="utf-8")
    asking = (
        "import json, os, psycopg, sys; password = psycopg.connect(sys.argv[1]).info.password\n"
        "print(json.dumps([password, dict(os.environ)]))"
    )
    made = tmp_path / "pgpass"
    environ = {**os.environ, "DATABASE_PASSWORD_FILE": str(tmp_path / "secret"), "PGPASSFILE": str(made)}

    command = ["sh", str(EXAMPLES / "start.sh"), sys.executable, "-W", "ignore", "-c", asking, postgres_url]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    used, seen = json.loads(done.stdout)
    assert used == password.strip("\n")
    assert used not in seen.values()
    assert stat.S_IMODE(made.stat().st_mode) == 0o600


@pytest.mark.parametrize("name", CLUSTER_OURS)
def test_every_service_of_ours_gets_the_password(name: str) -> None:
    """By the script, which is mounted where it is called."""
    assert ("./examples/cluster/start.sh", SERVICES[name]["entrypoint"][-1]) in split_mounts(SERVICES[name])


def test_without_a_password_nothing_starts(tmp_path: Path) -> None:
    """And the reason is said."""
    (tmp_path / "secret").touch()
    environ = {"DATABASE_PASSWORD_FILE": str(tmp_path / "secret"), "PGPASSFILE": str(tmp_path / "pgpass")}
    environ["PATH"] = os.environ["PATH"]

    done = subprocess.run(
        ["sh", EXAMPLES / "start.sh", "true"], env=environ, capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert "no password in" in done.stderr
