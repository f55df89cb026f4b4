"""All uses of Textual's internals are in one package."""

from __future__ import annotations

import ast
from pathlib import Path

import textual

from sdtui.tui import textual_internals

INTERNALS = Path(textual_internals.__file__).parent


def test_internals_were_checked_with_the_installed_version() -> None:
    assert textual.__version__ == textual_internals.CHECKED_VERSION


def test_no_other_module_imports_private_modules_of_textual() -> None:
    for file in INTERNALS.parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("textual._"):
                assert file.parent == INTERNALS, file
