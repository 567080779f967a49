"""The document and what is answered agree: schemathesis asks, rightly and wrongly, in-process."""

from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from telemetry.accounts.tokens import issue_token
from telemetry.models import Account
from telemetry.store.db.account_scope import open_every_account
from telemetry.store.db.connection import Connection
from tests.integration.api.conftest import ALL_SCOPES, make_user

pytestmark = pytest.mark.integration

# Left out: positive_data_acceptance, as rules across parameters (since before until) and cursors
# cannot be said in a schema.
EXAMPLES = 10
"""For each operation and way to ask."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
    negative_data_rejection,
    unsupported_method,
    allow_header_conformance,
    ignored_auth,
]


@pytest.fixture(scope="module")
def headers(own: Account) -> dict[str, str]:
    _, text = issue_token(make_user(owner=own), name="test", scopes=ALL_SCOPES)
    return {"Authorization": f"Bearer {text}"}


@pytest.fixture(scope="module")
def document(stocked: Connection, headers: dict[str, str]) -> Iterator[Any]:
    """Read after the token is made: its requests end without a signal, and leave their scope."""
    from config.wsgi import application  # every process of a run would load all views for it

    yield schemathesis.openapi.from_wsgi("/api/v1/openapi.json", application)
    open_every_account()


@pytest.mark.parametrize(
    ("mode", "is_own"),
    [
        pytest.param(GenerationMode.POSITIVE, True, id="rightly, of the own account"),
        pytest.param(GenerationMode.NEGATIVE, True, id="wrongly, of the own account"),
        pytest.param(GenerationMode.NEGATIVE, False, id="wrongly, of any account"),
    ],
)
def test_it_answers_as_the_document_says(
    document: Any, headers: dict[str, str], own: Account, mode: GenerationMode, is_own: bool
) -> None:
    for found in document.get_all_operations():
        operation = found.ok()
        fixed = {"account_id": own.pk} if is_own and "{account_id}" in operation.path else None
        cases = operation.as_strategy(generation_mode=mode, path_parameters=fixed)

        @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
        @hypothesis.given(case=cases)
        def ask(case: Case) -> None:
            case.call_and_validate(headers=headers, checks=CHECKS)

        ask()
