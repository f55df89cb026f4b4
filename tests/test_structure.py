"""How the code and its tests are laid out."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]


def _imported_names(file: Path) -> Iterator[str]:
    """The full names of what a file imports, also inside functions."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (f"{alias.name}." for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_helper_is_imported_from_a_test_module_or_conftest() -> None:
    wrong = [
        f"{file.relative_to(ROOT)}: {name}"
        for file in sorted((ROOT / "tests").rglob("*.py"))
        for name in _imported_names(file)
        if name.startswith("tests.")
        and any(part.startswith("test_") or part == "conftest" for part in name.split(".")[:-1])
    ]
    assert wrong == [], "helpers that several tests use belong in tests/support"


def test_other_packages_use_the_front_doors_of_history_models_and_monitor() -> None:
    """Except the engine, which needs the configs and weights inside models."""
    fronts = {"sdtui.history", "sdtui.history.importers", "sdtui.models", "sdtui.monitor"}
    modules = {
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for package in ("history", "models", "monitor")
        for file in (ROOT / "sdtui" / package).rglob("*.py")
    }
    wrong = [
        f"{file.relative_to(ROOT)}: {name}"
        for package in ("cli", "tui", "server", "bench", "jobs")
        for file in sorted((ROOT / "sdtui" / package).rglob("*.py"))
        for name in _imported_names(file)
        if name.rstrip(".") in modules - fronts or name.rpartition(".")[0] in modules - fronts
    ]
    assert wrong == [], f"import from {', '.join(sorted(fronts))} instead"


def test_only_runtime_changes_the_whole_process() -> None:
    switches = {
        "gc.disable",
        "gc.enable",
        "gc.freeze",
        "gc.set_threshold",
        "os._exit",
        "os.environ.setdefault",
        "os.fork",
        "sys.setswitchinterval",
    }
    wrong = [
        f"{file.relative_to(ROOT)}: {name}"
        for file in sorted((ROOT / "sdtui").rglob("*.py"))
        if file != ROOT / "sdtui" / "core" / "runtime.py"
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute) and (name := ast.unparse(node)) in switches
    ]
    assert wrong == []


def test_workers_of_the_app_are_given_functions() -> None:
    """`start_worker` takes no coroutines, which would be reported as never awaited if the app ended
    before they began."""
    wrong = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in sorted((ROOT / "sdtui" / "tui").rglob("*.py"))
        if file.name != "background.py"
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "run_worker"
    ]
    assert wrong == []
