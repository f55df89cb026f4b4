"""The packages that the checks need beside those that a machine with a GPU usually has."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import (
    Distribution,
    PackageNotFoundError,
    distribution,
    packages_distributions,
)

USUAL = ("torch", "transformers", "accelerate", "safetensors", "peft", "pillow", "psutil")
"""What is expected to be installed already, with its own requirements."""


def needed() -> Iterator[str]:
    """Yield a line for each package: its requirement for pip, and the kind of its wheel."""
    usual = _with_requirements(USUAL)
    for found in sorted(_imported() - usual):
        package = distribution(found)
        yield f"{found}=={package.version}  {_kind(package)}"


def _imported() -> set[str]:
    """Return the distributions of all modules that the checks import, in a process of its own."""
    program = "import sys, tests.gpu.worker; print(*{name.split('.')[0] for name in sys.modules})"
    output = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout
    distributions = packages_distributions()
    names = {_normal(each) for module in output.split() for each in distributions.get(module, ())}
    return names - {"sdtui"}


def _with_requirements(names: Iterable[str]) -> set[str]:
    found: set[str] = set()
    waiting = [_normal(name) for name in names]
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
        waiting += [_normal(match[0]) for match in matches if match]
    return found


_NAME = re.compile(r"[\w.-]+")


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _kind(package: Distribution) -> str:
    wheel = package.read_text("WHEEL") or ""
    return "pure Python" if "Root-Is-Purelib: true" in wheel else "compiled"
