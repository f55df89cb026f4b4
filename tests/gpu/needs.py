"""The packages that the checks need beside those that a machine with a GPU usually has."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import (
    PackageNotFoundError,
    distribution,
    packages_distributions,
    version,
)
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_HERE = Path(__file__).parent
_PROJECT = _HERE.parents[1] / "pyproject.toml"
_USED = ("torch", "diffusers", "transformers", "accelerate", "safetensors", "pillow", "psutil")
"""Dependencies of sdtui that the checks use, and whose versions matter."""

USUAL = ("torch", "transformers", "accelerate", "safetensors", "peft", "pillow", "psutil")
"""What is expected to be installed already, with its own requirements."""
_OPTIONAL = {"charset-normalizer"}
"""What is imported if it is there: requests guesses encodings with it."""


def environment(*, pydantic: bool) -> dict[str, str]:
    """Return the environment of a process that imports the checks; unless `pydantic` is true, it
    finds a stand-in for pydantic, whose compiled part may be missing."""
    if pydantic:
        return dict(os.environ)
    paths = [str(_HERE / "without_pydantic"), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def has_pydantic() -> bool:
    """True if pydantic can be imported here."""
    try:
        import pydantic  # noqa: F401
    except ImportError:
        return False
    return True


def too_old() -> str | None:
    """Return a sentence that names the libraries that are missing or too old for sdtui; None if
    there are none."""
    found = list(_outdated())
    return f"The checks need {', '.join(found)}." if found else None


def _outdated() -> Iterator[str]:
    project = tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]
    requirements = {each.name: each for each in map(Requirement, project["dependencies"])}
    for name in _USED:
        least = next(each for each in requirements[name].specifier if each.operator == ">=")
        try:
            installed = version(name)
        except PackageNotFoundError:
            yield f"{name} {least.version} or later (it is missing)"
            continue
        if not least.contains(installed, prereleases=True):
            yield f"{name} {least.version} or later (here is {installed})"


def needed() -> Iterator[str]:
    """Yield a line for each package: its requirement for pip, and the kind of its wheel."""
    usual = with_requirements(USUAL)
    for found in sorted(_imported() - usual - _OPTIONAL):
        kind = "compiled" if is_compiled(found) else "pure Python"
        yield f"{found}=={version(found)}  {kind}"


def _imported() -> set[str]:
    """Return the distributions of all modules that the checks import, in a process of its own."""
    program = "import sys, tests.gpu.worker; print(*{name.split('.')[0] for name in sys.modules})"
    output = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        env=environment(pydantic=False),
    ).stdout
    distributions = packages_distributions()
    names: set[str] = {
        canonicalize_name(each)
        for module in output.split()
        for each in distributions.get(module, ())
    }
    return names - {"sdtui"}


def with_requirements(names: Iterable[str]) -> set[str]:
    """Return packages and all that they need, as far as they are installed."""
    found: set[str] = set()
    waiting = [canonicalize_name(name) for name in names]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        try:
            requirements = distribution(name).requires or []
        except PackageNotFoundError:
            continue
        matches = [_NAME.match(each) for each in requirements if "extra ==" not in each]
        waiting += [canonicalize_name(match[0]) for match in matches if match]
    return found


_NAME = re.compile(r"[\w.-]+")


def is_compiled(name: str) -> bool:
    """True if the wheel of an installed package has compiled parts."""
    wheel = distribution(name).read_text("WHEEL") or ""
    return "Root-Is-Purelib: true" not in wheel
