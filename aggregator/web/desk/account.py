"""One's own account: password, language, tokens of programs. Never anybody else's."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import ConfigDict, Field
from starlette.responses import Response

from aggregator.model.account import Role
from aggregator.storage import accounts
from aggregator.tasks.desk.accounts import change_password, end_token, has_password, make_token, set_language
from aggregator.web.desk.pages import show_page
from aggregator.web.desk.visit import Action, Done, Fields, NoFields, Page, Section, Visit
from aggregator.web.desk.words import N_, FieldError, say

#: Of the desk's own words; empty: the site's.
Language = Literal["", "en", "ja"]


class PasswordFields(Fields):
    model_config = ConfigDict(str_strip_whitespace=False)

    old_password: Annotated[str, Field(max_length=2000)]
    new_password: Annotated[str, Field(max_length=2000)]


class LanguageFields(Fields):
    language: Language = ""


class TokenFields(Fields):
    label: Annotated[str, Field(min_length=1, max_length=100)]
    role: Role = "viewer"


def _show_account(visit: Visit, made: str = "") -> Response:
    with visit.app.db.read() as conn:
        tokens = accounts.list_tokens(conn, visit.account.id)
    return show_page(visit, "account.html", tokens=tokens, languages=get_args(Language), made=made)


def _change_password(visit: Visit, sent: PasswordFields) -> Done:
    if not has_password(visit.app, visit.account, sent.old_password):
        raise FieldError({"old_password": say(N_("This is not your password."))})
    change_password(visit.app, visit.account.name, sent.new_password, who=visit.account.name)
    return Done(to="/account")


def _set_language(visit: Visit, sent: LanguageFields) -> Done:
    return Done(to="/account", change=set_language(visit.app, visit.account, sent.language))


def _make_token(visit: Visit, sent: TokenFields) -> Response:
    return _show_account(visit, make_token(visit.app, visit.account, sent.label, sent.role))


def _end_token(visit: Visit, _: NoFields) -> Done:
    return Done(to="/account", change=end_token(visit.app, visit.account, visit.params["token"]))


ROOM = Section(
    key="account",
    pages=(Page(path="/account", show=_show_account),),
    actions=(
        Action(
            name="account.password", path="/account/password", fields=PasswordFields, run=_change_password,
            done=N_("A password was changed"), page=_show_account, only_people=True, for_viewers=True,
        ),
        Action(
            name="account.language", path="/account/language", fields=LanguageFields, run=_set_language,
            done=N_("The language was chosen"), page=_show_account, only_people=True, for_viewers=True,
        ),
        Action(
            name="token.add", path="/account/tokens", fields=TokenFields, run=_make_token, done=N_("A token was made"),
            page=_show_account, only_people=True, for_viewers=True, shows=True,
        ),
        Action(
            name="token.remove", path="/account/tokens/{token:int}/remove", run=_end_token,
            done=N_("A token was ended"), page=_show_account, only_people=True, for_viewers=True,
        ),
    ),
)  # fmt: skip
