"""Fuzz a server by its OpenAPI document.

Every answer must conform to the document, and none may be a server error.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import hypothesis
import schemathesis
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks as of_openapi

from tests.support.live_server import PATIENCE

_CHECKS = [
    schemathesis.checks.not_a_server_error,
    of_openapi.status_code_conformance,
    of_openapi.content_type_conformance,
    of_openapi.response_schema_conformance,
    of_openapi.response_headers_conformance,
]


def operations(url: str, headers: Mapping[str, str] | None = None) -> list[Any]:
    """The operations in the document of a server."""
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json", headers=dict(headers or {}))
    results: list[Any] = list(schema.get_all_operations())
    return [each.ok() for each in results]


def fuzz(
    operation: Any,
    examples: int,
    *,
    repeatable: bool = True,
    headers: Mapping[str, str] | None = None,
) -> int:
    """Send requests, half of them valid by the schema; returns their number."""
    count = 0
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

        @hypothesis.settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=repeatable,
            phases=[hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
            verbosity=hypothesis.Verbosity.quiet,
        )
        @hypothesis.given(operation.as_strategy(generation_mode=mode))
        def call(case: Any) -> None:
            nonlocal count
            count += 1
            case.call_and_validate(checks=_CHECKS, timeout=PATIENCE, headers=headers)

        # Operations without parameters can't be called wrongly.
        with suppress(hypothesis.errors.Unsatisfiable):
            call()
    return count
