"""The records of upscaled pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sdtui.core.enums import UNKNOWN_MODEL
from sdtui.core.upscaler_names import LANCZOS
from sdtui.history import History, write_infotext
from sdtui.history.importers import read_picture_settings
from sdtui.history.importers.a1111 import a1111
from sdtui.jobs.upscaled import upscaled_record
from sdtui.requests.record import GenerationRecord, ImageRecord, ImageSettings
from sdtui.requests.request import GenerationRequest
from sdtui.requests.sections.upscale import Upscale
from tests.support.records import picture, record

_PARENT, _HASH = "ab" * 32, "cd" * 32


def _of_run(upscaler: str | None = "4x-UltraSharp") -> GenerationRecord:
    """Return the record of a run that upscaled a picture of 64 x 64 pixels, with no recipe."""
    upscale = Upscale(factor=2, upscaler=upscaler, image=Path("/x.png"))
    run = record(prompt="", seed=7)
    image = ImageRecord(index=0, seed=7, width=128, height=128)
    return run.model_copy(
        update={
            "request": replace(run.request, upscale=upscale),
            "settings": ImageSettings(
                width=64, height=64, upscaler=upscaler or LANCZOS, upscaler_hash=_HASH
            ),
            "model": None,
            "parents": (_PARENT,),
            "images": (image,),
        }
    )


def test_upscaled_picture_has_the_recipe_of_its_original() -> None:
    source = record(prompt="a tiger", seed=42, steps=30)
    found = upscaled_record(_of_run(), source)
    values = found.values()
    assert (found.prompt, values["seed"], values["num_inference_steps"]) == ("a tiger", 42, 30)
    assert (values["upscale_factor"], values["upscaler"]) == (2, "4x-UltraSharp")
    assert found.settings is not None
    assert found.settings.upscaler_hash == _HASH
    assert (values["width"], found.images[0].width) == (64, 128)
    assert values["upscale_image"] is None
    assert found.parents == (_PARENT,)
    assert found.images[0].seed == 42


def test_picture_that_was_upscaled_twice_names_the_picture() -> None:
    once = upscaled_record(_of_run(), record())
    twice = upscaled_record(_of_run(upscaler=None), once)
    assert twice.values()["upscale_image"] == Path("/x.png")
    assert twice.values()["upscaler"] == "Lanczos"


def test_second_upscaler_of_before_is_not_that_of_now() -> None:
    once = record()
    assert once.settings is not None
    two = once.settings.model_copy(update={"second_upscaler": "Nearest"})
    found = upscaled_record(_of_run(), once.model_copy(update={"settings": two}))
    assert found.settings is not None
    assert found.settings.field_values().get("second_upscaler") is None


def test_upscaled_picture_without_a_recipe_has_none() -> None:
    found = upscaled_record(_of_run(), None)
    assert (found.prompt, found.seed, found.images[0].seed) == ("", None, None)
    assert found.request.model == UNKNOWN_MODEL
    assert found.request.upscale.image == Path("/x.png")


def test_infotext_says_how_a_picture_was_upscaled() -> None:
    text = write_infotext(upscaled_record(_of_run(), record()))
    assert "Size: 64x64" in text
    assert "Postprocess upscale by: 2, Postprocess upscaler: 4x-UltraSharp" in text
    read = a1111(text)
    assert read is not None
    assert read.values["upscale_factor"] == "2"
    assert read.values["upscaler"] == "4x-UltraSharp"
    assert not read.unsupported


def test_infotext_of_a_size_is_read_back() -> None:
    source = record()
    upscale = Upscale(width=200, height=100, upscaler="/models/4x.safetensors")
    made = source.model_copy(update={"request": replace(source.request, upscale=upscale)})
    text = write_infotext(made)
    assert "Postprocess upscale to: 200x100" in text
    assert "Postprocess upscaler: 4x" in text
    read = a1111(text)
    assert read is not None
    assert (read.values["upscale_width"], read.values["upscale_height"]) == ("200", "100")


def test_extras_of_a1111_are_read(tmp_path: Path) -> None:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("parameters", "a tiger\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 5")
    info.add_text("extras", "Postprocess upscale by: 4, Postprocess upscaler: R-ESRGAN 4x+")
    picture().save(tmp_path / "upscaled.png", pnginfo=info)
    values = read_picture_settings(tmp_path / "upscaled.png").values
    assert (values["prompt"], values["seed"]) == ("a tiger", 5)
    assert (values["upscale_factor"], values["upscaler"]) == (4, "R-ESRGAN 4x+")


def test_history_knows_the_record_of_any_picture(tmp_path: Path) -> None:
    with History(tmp_path / "pictures") as history:
        saved = history.save(picture(), record(prompt="a tiger"), 0)
        found = history.record_of_file(saved.path)
        assert found is not None
        assert found.prompt == "a tiger"
        picture().save(tmp_path / "plain.png")
        assert history.record_of_file(tmp_path / "plain.png") is None
        assert history.record_of_file(tmp_path / "missing.png") is None


def test_upscaled_picture_without_a_recipe_is_saved_and_listed(tmp_path: Path) -> None:
    with History(tmp_path / "pictures") as history:
        saved = history.save(picture(128, 128), upscaled_record(_of_run(), None), 0)
        entry = history.get(saved.path)
        assert (entry.prompt, entry.seed, entry.width) == ("", None, 128)


def test_request_of_an_upscaled_picture_is_valid() -> None:
    found = upscaled_record(_of_run(), record())
    assert GenerationRequest.parse(found.values()).upscale.factor == 2
