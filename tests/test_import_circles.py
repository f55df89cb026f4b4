"""No file imports itself by way of others."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]


def _module_name(file: Path, root: Path) -> str:
    return ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def _imported(file: Path, modules: set[str]) -> Iterator[str]:
    """The modules that a file imports: at its top, in functions, and for type checking only."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} imports relatively"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in modules else node.module or ""


def _circle(package: Path) -> list[str]:
    """One circle of modules that import each other; empty if there is none."""
    files = {_module_name(file, package.parent): file for file in package.rglob("*.py")}
    modules = set(files)
    graph = {
        name: {each for each in _imported(file, modules) if each in modules and each != name}
        for name, file in files.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_modules_import_each_other() -> None:
    assert _circle(ROOT / "sdtui") == []


def test_a_circle_is_found_whatever_the_kind_of_import(tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "a.py").write_text("import package.b\n")
    (package / "b.py").write_text("def later():\n    from package import c\n")
    (package / "c.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from package.a import A\n"
    )
    assert {"package.a", "package.b", "package.c"} <= set(_circle(package))
    (package / "c.py").write_text("")
    assert _circle(package) == []
