"""Importing spandrel, which recognises the architecture of an upscaler by its weights.

It needs torchvision for LaMa and RestoreFormer, which aren't upscalers. A torchvision that is built
for another torch fails at its import, so that spandrel is often installed without it; names that
these two would call stand in for it while spandrel is imported.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from sdtui.core.errors import UnsupportedModelError

_STAND_INS = ("torchvision", "torchvision.transforms", "torchvision.transforms.functional")
_NAMES = ("InterpolationMode", "normalize", "rotate")

INSTALL_HINT = 'Run: pip install "sdtui[upscalers]"; "sdtui docs pictures" says more'


def check_spandrel() -> None:
    """Raise UnsupportedModelError if spandrel isn't installed. Imports nothing."""
    if find_spec("spandrel") is None:
        raise UnsupportedModelError("upscalers need spandrel, which isn't installed", INSTALL_HINT)


def import_spandrel() -> Any:
    """Import spandrel. Raises UnsupportedModelError if it isn't installed or can't be used."""
    check_spandrel()
    try:
        with _torchvision_or_stand_in():
            return importlib.import_module("spandrel")
    except (ImportError, RuntimeError) as error:  # RuntimeError: torchvision of another build
        raise UnsupportedModelError(
            f"spandrel can't be imported: {str(error).strip().splitlines()[0]}",
            "Reinstall torchvision from where torch came from, or uninstall it",
        ) from error


@contextmanager
def _torchvision_or_stand_in() -> Iterator[None]:
    if "spandrel" in sys.modules or find_spec("torchvision") is not None:
        yield
        return
    modules = {name: ModuleType(name) for name in _STAND_INS}
    for name in _NAMES:
        setattr(modules[_STAND_INS[-1]], name, None)
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name in modules:
            del sys.modules[name]
