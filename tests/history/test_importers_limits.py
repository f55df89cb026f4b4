"""Values of other tools' pictures that are unknown here or beyond the limits of a request."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from sdtui.history import History
from sdtui.history.importers import ImportedSettings, read_picture_settings
from sdtui.requests.request import GenerationRequest
from tests.support.foreign_pictures import png


def lost(found: ImportedSettings, beginning: str) -> bool:
    return any(each.startswith(beginning) for each in found.not_carried)


@pytest.mark.parametrize("seed", [2**32, 2**53, 2**63, 2**64 - 1])
def test_values_beyond_the_limits_are_kept_and_found(
    history: History, tmp_path: Path, seed: int
) -> None:
    text = f"a cat\nSteps: 200, Sampler: dpm_fast, CFG scale: 35, Seed: {seed}, Size: 64x64"
    path = png(tmp_path / "a.png", parameters=text)
    known = {"width": 64, "height": 64, "rng": "nv"}
    assert read_picture_settings(path).values == {"prompt": "a cat", "seed": seed, **known}
    (imported,) = history.import_([path]).pictures
    for query in (
        *(f"seed:{seed}", f"seed>{seed - 1}", f"seed<={seed}", "seed>42", "steps:200"),
        *("cfg>30", "sampler:dpm_fast", "-seed:0"),
    ):
        assert history.entries(query).total == 1, query
    assert history.entries(f"seed>{seed}").total == history.entries("seed:0").total == 0
    (entry,) = history.entries().entries
    assert (entry.seed, entry.steps, entry.guidance, entry.sampler) == (seed, 200, 35, "dpm_fast")
    again = read_picture_settings(imported)
    assert GenerationRequest.parse(again.values).seed == seed
    for beginning in ("Steps", "CFG scale", "Sampler"):
        assert lost(again, beginning), beginning


def test_unknown_seed_stays_unknown(history: History, tmp_path: Path) -> None:
    text = "a cat\nSteps: 20, CFG scale: 7, Size: 64x64"
    (imported,) = history.import_([png(tmp_path / "a.png", parameters=text)]).pictures
    (entry,) = history.entries("steps:20").entries
    assert entry.seed is None
    assert history.record(entry).seed is None
    assert history.entries("seed:0").total == history.entries("seed<5").total == 0
    assert "seed" not in read_picture_settings(imported).values


def test_strength_of_an_imported_picture_is_found(history: History, tmp_path: Path) -> None:
    text = "a cat\nSteps: 20, CFG scale: 7, Seed: 1, Size: 64x64, Denoising strength: 0.6"
    history.import_([png(tmp_path / "a.png", parameters=text)])
    assert history.entries("strength:0.6").total == 1


def test_picture_in_a_zip_keeps_its_time(history: History, tmp_path: Path) -> None:
    path = png(tmp_path / "a.png", parameters="a cat\nSteps: 20, CFG scale: 7, Seed: 1")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        info = zipfile.ZipInfo("a.png", date_time=(2023, 5, 6, 7, 8, 10))
        archive.writestr(info, path.read_bytes())
    history.import_([tmp_path / "a.zip"])
    (entry,) = history.entries("date:2023-05-06").entries
    assert f"{entry.time:%H:%M:%S}" == "07:08:10"
