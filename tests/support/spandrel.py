"""A mark for tests that need spandrel, which is an extra."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

needs_spandrel = pytest.mark.skipif(find_spec("spandrel") is None, reason="spandrel is an extra")
