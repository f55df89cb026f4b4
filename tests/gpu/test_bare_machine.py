"""The checks run on a machine that has torch and the libraries around it, but none of sdtui's other
compiled dependencies."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from tests.gpu import needs

_HIDING = """
import sys
from importlib.machinery import PathFinder

class Hiding(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        spec = super().find_spec(name, path, target)
        is_hidden = name.partition(".")[0] in {hidden!r}
        return None if is_hidden and spec and "site-packages" in (spec.origin or "") else spec

sys.meta_path[:] = [Hiding if each is PathFinder else each for each in sys.meta_path]
"""
_FIRST_OF_EACH_FILE = """
import sys
from pathlib import Path
from tests.gpu import (
    adapters,
    control,
    inpainting,
    lifecycle,
    machine,
    memory,
    needs,
    same_picture,
    speed,
    worker,
)
from tests.gpu.context import Context
from tests.gpu.models import Models
from sdtui.engine.device import choose_device

assert not needs.has_pydantic() or "without_pydantic" in sys.modules["pydantic"].__file__
device = choose_device("cpu")
context = Context(device, Models(Path(sys.argv[1]), device.torch, dry=True), dry=True)
for module in (same_picture, adapters, control, inpainting, memory, lifecycle, machine, speed):
    check = next(each for each in module.checks() if not each.needs_gpu)
    print(check.measure(context).status)
"""


@pytest.mark.slow
def test_checks_run_without_compiled_packages_besides_the_usual(tmp_path: Path) -> None:
    usual = needs.with_requirements(needs.USUAL)
    hidden = {
        module
        for module, names in packages_distributions().items()
        if any(needs.is_compiled(name) and canonicalize_name(name) not in usual for name in names)
    }
    hidden |= {"pydantic", "pydantic_core", "textual", "click", "rich"}
    (tmp_path / "sitecustomize.py").write_text(_HIDING.replace("{hidden!r}", repr(hidden)))
    variables = needs.environment(pydantic=False)
    paths = [str(tmp_path), variables["PYTHONPATH"]]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _FIRST_OF_EACH_FILE, str(tmp_path)],
        env={**variables, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.stdout.split() == [
        "passed",
        "passed",
        "measured",
        "passed",
        "measured",
        "passed",
        "passed",
        "measured",
    ], done.stderr


def test_only_packages_in_pure_python_are_needed_besides_the_usual() -> None:
    lines = list(needs.needed())
    assert any(line.startswith("diffusers==") for line in lines)
    assert [line for line in lines if "compiled" in line] == []


def test_library_that_is_too_old_is_named_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert needs.too_old() is None
    versions = {"torch": "2.5.1+cu124", "diffusers": "0.42.1"}
    monkeypatch.setattr(needs, "version", lambda name: versions.get(name, "99"))
    assert needs.too_old() == "The checks need torch 2.6 or later (here is 2.5.1+cu124)."
