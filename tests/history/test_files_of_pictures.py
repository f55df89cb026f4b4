"""The files that a picture was made with: those that are gone are left out, the others stay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sdtui.core.settings import Settings
from sdtui.history.importers import with_local_files
from sdtui.history.importers.read import from_record
from sdtui.jobs.backends.models import LocalModels
from sdtui.requests.sections.control import Control
from sdtui.requests.sections.editing import Editing
from tests.support.records import record


def test_control_picture_that_is_gone_takes_its_own_entry_along_and_no_other(
    tmp_path: Path,
) -> None:
    (here, gone) = tmp_path / "here.png", tmp_path / "gone.png"
    here.touch()
    plain = record()
    control = Control((f"a:{gone}", f"b:{here}:0.5"), (f"c:{here}", f"d:{gone}"))
    found = from_record(
        plain.model_copy(update={"request": replace(plain.request, control=control)})
    )
    assert found.values["controls"] == (f"b:{here}:0.5",)
    assert found.values["ip_adapters"] == (f"c:{here}",)
    assert [each.endswith("no longer exists") for each in found.not_carried] == [True, True]


def test_reference_that_is_gone_leaves_the_others(tmp_path: Path) -> None:
    (here, gone) = tmp_path / "here.png", tmp_path / "gone.png"
    here.touch()
    plain = record()
    request = replace(plain.request, editing=Editing((gone, here)))
    found = from_record(plain.model_copy(update={"request": request}))
    assert found.values["references"] == (here,)
    assert found.not_carried == (f"References {gone}: the file no longer exists",)


def test_nets_and_adapters_that_are_not_here_are_left_out() -> None:
    values = {"controls": ("pocket-edges:x.png", "tile:x.png:0.5"), "ip_adapters": ("plus:x.png",)}
    found, missing = with_local_files(values, LocalModels(Settings()))
    assert found == {"controls": ("pocket-edges:x.png",), "ip_adapters": ()}
    assert missing == ['there is no ControlNet "tile"', 'there is no IP-Adapter "plus"']


@pytest.mark.parametrize("field", ["upscaler", "second_upscaler", "hires_upscaler"])
def test_lanczos_takes_the_place_of_an_upscaler_that_is_not_here(field: str) -> None:
    found, missing = with_local_files({field: "4x-UltraSharp", "seed": 1}, LocalModels(Settings()))
    assert found == {field: "Lanczos", "seed": 1}
    assert missing == ['there is no upscaler "4x-UltraSharp": Lanczos takes its place']


def test_upscalers_without_files_are_always_here() -> None:
    values = {"upscaler": "nearest", "hires_upscaler": "Latent (bicubic)"}
    assert with_local_files(values, LocalModels(Settings())) == (values, [])
