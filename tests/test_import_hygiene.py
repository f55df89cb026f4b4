"""What is imported when: heavy libraries stay out of start-up. In a child process each, since a
static look can't prove a deferral."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_HEAVY = ("torch", "diffusers", "transformers", "accelerate", "huggingface_hub")


def _imported(code: str) -> set[str]:
    return set(_printed(f"{code}\nimport sys; print('\\n'.join(sys.modules))"))


def _printed(script: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.split()


@pytest.mark.parametrize(
    "code",
    [
        "import sdtui.requests.request, sdtui.requests.record, sdtui.requests.events",
        "import sdtui.core.settings",
        "import sdtui.models.catalog, sdtui.models.tokens, sdtui.models.estimate, sdtui.models.hub",
        "from sdtui.models.catalog import installed_models; installed_models()",
        "import sdtui.history, sdtui.history.importers",
        "import sdtui.jobs",
        "import sdtui.pocket",
        "import sdtui.bench.plan, sdtui.bench.report, sdtui.bench.compare",
        "import sdtui.cli.commands, sdtui.cli.generate, sdtui.cli.doctor, sdtui.cli.history",
        "import sdtui.cli.serve, sdtui.server.lifecycle",
        "import sdtui.cli.bench",
    ],
)
def test_nothing_heavy(code: str) -> None:
    assert _imported(code).isdisjoint(_HEAVY)


@pytest.mark.parametrize("argument", ["--help", "docs"])
def test_help_needs_neither_torch_nor_textual(argument: str) -> None:
    code = (
        f"import sys; sys.argv = ['sdtui', '{argument}']\n"
        "from sdtui.cli.main import main\n"
        "try: main()\nexcept SystemExit: pass"
    )
    assert _imported(code).isdisjoint({*_HEAVY, "textual", "textual_image", "numpy", "PIL"})


def test_the_window_needs_nothing_that_works_behind_it() -> None:
    code = """
import asyncio, sys, sdtui.cli.main, sdtui.cli.app, sdtui.tui.launch
from sdtui.core.settings import load_settings
from sdtui.tui.app import SdtuiApp
from sdtui.tui.screens import main

async def open_the_window():
    seen = asyncio.Event()
    main.run_in_background = lambda *_: seen.set()
    async with SdtuiApp(load_settings(), open_backend=None).run_test():
        await seen.wait()
        print(*sys.modules)

asyncio.run(open_the_window())
"""
    native = {f"sdtui.{part}" for part in ("jobs", "history", "monitor", "models", "core.request")}
    prompts = {"sdtui.core.dynamic_prompts.parser", "sdtui.core.prompt_syntax"}
    behind = {*native, *prompts, "pydantic", "click", "sqlite3"}
    assert _imported(code).isdisjoint({*_HEAVY, *behind, "sdtui.tui.screens.dialogs"})


@pytest.mark.slow
def test_the_engine_knows_no_face() -> None:
    modules = _imported("import sdtui.engine.generator")
    assert modules.isdisjoint({"textual", "fastapi", "click", "typer"})


@pytest.mark.slow
@pytest.mark.parametrize("chosen", [None, "/somewhere/else"])
def test_what_torch_compiles_outlives_a_reboot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: str | None
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    if chosen:
        monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", chosen)
    code = "import sdtui.engine, os\nprint(os.environ['TORCHINDUCTOR_CACHE_DIR'])"
    assert _printed(code)[0] == (chosen or str(tmp_path / "sdtui" / "compiled"))


@pytest.mark.slow
def test_a_home_that_cannot_be_written_is_no_hindrance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    assert _printed("import sdtui.engine; print('imported')")[0] == "imported"
