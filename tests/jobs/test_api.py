"""Interfaces use a backend only through its protocols."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import sdtui

_ROOT = Path(sdtui.__file__).parent
_LOCAL = {
    "sdtui.history": {"History"},
    "sdtui.models": {
        "cached_snapshot",
        "counters_of",
        "describe_model",
        "download_model",
        "find_model",
        "hub_cache_folder",
        "installed_models",
        "model_hash",
        "token_counters",
    },
    "sdtui.monitor": {"Monitor"},
}
"""Public names of packages that use this machine's disk or hardware."""
_EXEMPT = {"cli/doctor.py": {"hub_cache_folder"}}
"""`sdtui doctor` examines this machine, whatever the backend."""


def _local_imports(file: Path) -> Iterator[str]:
    """Yield a file's imports that only work on this machine."""
    exempt = _EXEMPT.get(file.relative_to(_ROOT).as_posix(), set())
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            local = _LOCAL.get(node.module or "", set()) - exempt
            yield from (each.name for each in node.names if each.name in local)


def test_interfaces_import_only_what_works_with_any_backend() -> None:
    files = [file for name in ("cli", "server", "tui") for file in (_ROOT / name).rglob("*.py")]
    assert len(files) > 100
    found = {str(file): names for file in files if (names := list(_local_imports(file)))}
    assert not found
