"""The API's document, and what schemathesis makes of it: any call within it, and around it, is answered as it says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from aggregator.model.settings import Site
from aggregator.tasks.desk.accounts import create_account, find_program, make_token
from aggregator.web.desk.api import make_document
from tests.fixtures.program import Program
from tests.web.conftest import Door, serve_site
from tests.web.desk_door import PASSWORD

_CHECKS = (
    schemathesis.checks.not_a_server_error,
    schemathesis.checks.status_code_conformance,
    schemathesis.checks.content_type_conformance,
    schemathesis.checks.response_schema_conformance,
)


@pytest.fixture
def api(program: Program) -> Iterator[Any]:
    """The schema behind a real server, with an editor's token."""
    program.configure()
    with program.app() as app:
        account = create_account(app, "anna", PASSWORD, role="editor")
        token = make_token(app, account, "tests", "editor")
        with serve_site(app) as door:
            headers = {"Authorization": f"Bearer {token}"}
            yield schemathesis.openapi.from_url(f"{door.url}/api/v1/openapi.json", headers=headers)


def test_calls_are_answered_as_the_document_says(api: Any) -> None:
    """Not by schemathesis' own fixtures: they reach into parts of pytest that are gone."""
    for found in api.get_all_operations():
        _check(found.ok())


def _check(operation: Any) -> None:
    @settings(
        max_examples=8,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        derandomize=True,
        database=None,
    )
    @given(case=operation.as_strategy())
    def call(case: Any) -> None:
        case.call_and_validate(checks=_CHECKS)

    call()


def test_the_document_names_every_action_once(program: Program) -> None:
    document = make_document(Site(title="AI News", url="https://news.example.org/ai"))
    names = [call["operationId"] for path in document["paths"].values() for call in path.values()]

    assert len(names) == len(set(names))
    assert document["servers"] == [{"url": "/ai/api/v1"}]
    assert json.loads(json.dumps(document)) == document


def test_a_token_may_no_more_than_its_account(program: Program, serve: Callable[..., Door]) -> None:
    program.configure()
    with program.app() as app:
        door = serve(app)
        account = create_account(app, "vera", PASSWORD, role="viewer")
        token = make_token(app, account, "too much", "editor")
        found = find_program(app, token)
        nothing = door.ask("/api/v1/nothing", headers={"Authorization": f"Bearer {token}"})
        empty = door.ask("/api/v1/openapi.json")

    assert found is not None and not found.may_edit
    assert (nothing.status, nothing.headers["content-type"]) == (404, "application/json")
    assert empty.status == 401
