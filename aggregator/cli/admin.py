"""``aggregator admin``: who may work at the desk. Never prints a password."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from aggregator.cli.console import ConfigOption, JsonOption, YesOption, new_group, opened, print_line, print_list
from aggregator.errors import UsageError
from aggregator.model.account import Role
from aggregator.storage import accounts
from aggregator.tasks.desk.accounts import (
    change_password,
    change_role,
    check_name,
    check_password,
    create_account,
    remove_account,
)

commands = new_group("Accounts of the desk.")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="As it is typed at the login.")]
RoleOption = Annotated[Role, typer.Option("--role", help="An editor changes things, a viewer looks.")]
StdinOption = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]


@commands.command("create")
def create(
    name: NameArgument,
    config: ConfigOption = None,
    role: RoleOption = "editor",
    password_stdin: StdinOption = False,
) -> None:
    """Make an account; the password is asked for.

    With the first account the desk opens, at /admin (or at `web.admin_listen`).
    """
    check_name(name)
    with opened(config) as app:
        account = create_account(app, name, _ask_password(password_stdin), role=role)
    print_line(f"Made the account {account.name} ({account.role}).")


@commands.command("password", short_help="Give an account a new password.")
def password(name: NameArgument, config: ConfigOption = None, password_stdin: StdinOption = False) -> None:
    """Give an account a new password; whoever is logged in with the old one is out."""
    with opened(config) as app:
        change_password(app, name, _ask_password(password_stdin))
    print_line(f"{name} has a new password.")


@commands.command("role")
def role(
    name: NameArgument,
    new_role: Annotated[Role, typer.Argument(metavar="ROLE", help="editor or viewer.")],
    config: ConfigOption = None,
) -> None:
    """Let an account change things, or only look."""
    with opened(config) as app:
        change_role(app, name, new_role)
    print_line(f"{name} is {new_role} now.")


@commands.command("remove", short_help="Remove an account with its sessions and tokens.")
def remove(name: NameArgument, config: ConfigOption = None, yes: YesOption = False) -> None:
    """Remove an account, its sessions and its tokens; what it did stays in the log."""
    if not yes:
        typer.confirm(f"Remove the account {name}?", abort=True)
    with opened(config) as app:
        remove_account(app, name)
    print_line(f"Removed {name}.")


@commands.command("list")
def list_accounts(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the accounts."""
    with opened(config) as app, app.db.read() as conn:
        found = accounts.list_accounts(conn)
    documents = [
        {"name": one.name, "role": one.role, "created_at": one.created_at, "password_set_at": one.changed_at}
        for one in found
    ]
    empty = "No accounts: there is no desk. Make one: aggregator admin create NAME"
    print_list(as_json, documents, ("name", "role", "created_at", "password_set_at"), empty=empty)


def _ask_password(from_stdin: bool) -> str:
    if from_stdin:
        return check_password(sys.stdin.readline().rstrip("\r\n"))
    if not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask for the password: use --password-stdin")
    return check_password(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
