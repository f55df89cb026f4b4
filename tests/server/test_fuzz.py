"""A short fuzzing run; `tests.benchmarks.fuzz_server` takes longer."""

from __future__ import annotations

import pytest

from tests.support.fuzzing import fuzz, operations
from tests.support.live_server import Live

pytestmark = pytest.mark.slow


def test_fuzzed_requests_cause_no_server_error(tiny: Live) -> None:
    found = operations(tiny.url)
    assert len(found) > 40
    for operation in found:
        assert fuzz(operation, examples=3) > 0, operation.label
