"""Requests that nobody would think of, made from the OpenAPI document. Every answer must be one
that the document tells of, and none a fault of the server's."""

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
    """The operations of the server's document."""
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json", headers=dict(headers or {}))
    found: list[Any] = list(schema.get_all_operations())
    return [each.ok() for each in found]


def fuzz(operation: Any, examples: int, *, repeatable: bool = True) -> int:
    """Make requests, half of them within the schema and half not; how many were made."""
    made = 0
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
        def one(case: Any) -> None:
            nonlocal made
            made += 1
            case.call_and_validate(checks=_CHECKS, timeout=PATIENCE)

        # Where there is nothing to send, nothing can be wrong.
        with suppress(hypothesis.errors.Unsatisfiable):
            one()
    return made
