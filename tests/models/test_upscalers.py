"""Finding upscalers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sdtui.core.errors import (
    ModelDamagedError,
    ModelNotFoundError,
    UnsafeModelError,
    UnsupportedModelError,
)
from sdtui.core.settings import Settings
from sdtui.core.upscaler_names import built_in_name
from sdtui.models.upscalers import (
    find_upscaler_file,
    installed_upscalers,
    scale_in_name,
)


def _save(path: Path, *names: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: torch.zeros(2) for name in names or ("conv_first.weight",)}, path)
    return path


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    _save(tmp_path / "models/ESRGAN/4x-UltraSharp.safetensors")
    _save(tmp_path / "models/RealESRGAN/RealESRGAN_x4plus.safetensors")
    return Settings(model_folders=(tmp_path,))


@pytest.mark.parametrize(
    ("spelling", "name"), [("lanczos", "Lanczos"), ("NONE", "None"), (" Nearest", "Nearest")]
)
def test_built_in_upscalers_are_known_in_any_spelling(spelling: str, name: str) -> None:
    assert built_in_name(spelling) == name


@pytest.mark.parametrize(
    ("spelling", "stem"),
    [
        ("4x-UltraSharp", "4x-UltraSharp"),
        ("4x_ultrasharp.safetensors", "4x-UltraSharp"),
        ("4xUltraSharp", "4x-UltraSharp"),
        ("R-ESRGAN 4x+", "RealESRGAN_x4plus"),
    ],
)
def test_upscaler_is_found_in_any_spelling_and_by_a1111s_name(
    settings: Settings, spelling: str, stem: str
) -> None:
    assert find_upscaler_file(spelling, settings).path.stem == stem


def test_files_of_front_ends_and_built_in_upscalers_are_listed(settings: Settings) -> None:
    names = [(each.name, each.scale, each.problem) for each in installed_upscalers(settings)]
    assert names == [
        ("None", None, ""),
        ("Lanczos", None, ""),
        ("Nearest", None, ""),
        ("4x-UltraSharp", 4, ""),
        ("RealESRGAN_x4plus", 4, ""),
    ]


@pytest.mark.parametrize(
    ("name", "scale"),
    [
        ("4x-UltraSharp", 4),
        ("RealESRGAN_x2plus", 2),
        ("2x_something", 2),
        ("DAT_x3", 3),
        ("realesr-general-x4v3", 4),
        ("ESRGAN", None),
        ("max5", None),
        ("R-ESRGAN 8x", 8),
    ],
)
def test_scale_is_read_from_the_name(name: str, scale: int | None) -> None:
    assert scale_in_name(name) == scale


def test_unknown_name_names_the_nearest(settings: Settings) -> None:
    with pytest.raises(ModelNotFoundError, match=r'Did you mean "4x-UltraSharp"\?'):
        find_upscaler_file("4x-UltraShap", settings)
    with pytest.raises(ModelNotFoundError, match="upscaler_folders"):
        find_upscaler_file("something", Settings())


def test_path_is_no_name_where_files_are_not_allowed(settings: Settings, tmp_path: Path) -> None:
    path = _save(tmp_path / "elsewhere/mine.safetensors")
    assert find_upscaler_file(str(path), settings).path == path
    with pytest.raises(ModelNotFoundError):
        find_upscaler_file(str(path), settings, allow_files=False)


@pytest.mark.parametrize(
    ("tensors", "kind"),
    [
        (("model.diffusion_model.input_blocks.0.0.weight",), "a checkpoint of Stable Diffusion"),
        (("lora_unet_x.lora_down.weight",), "a LoRA"),
        (("decoder.conv_in.weight",), "a VAE"),
    ],
)
def test_other_files_are_refused_by_what_they_hold(
    tmp_path: Path, tensors: tuple[str, ...], kind: str
) -> None:
    path = _save(tmp_path / "mine.safetensors", *tensors)
    with pytest.raises(UnsupportedModelError, match=f"is no upscaler, but {kind}"):
        find_upscaler_file(str(path), Settings())


def test_pickle_is_refused_with_the_way_to_convert_it(tmp_path: Path) -> None:
    path = tmp_path / "4x.pth"
    path.write_bytes(b"\x80\x02")
    with pytest.raises(UnsafeModelError, match=r"pickle.*convert"):
        find_upscaler_file(str(path), Settings())


def test_truncated_file_is_listed_with_its_problem(tmp_path: Path) -> None:
    path = _save(tmp_path / "mine.safetensors")
    path.write_bytes(path.read_bytes()[:-4])
    settings = Settings(upscaler_folders=(tmp_path,))
    with pytest.raises(ModelDamagedError):
        find_upscaler_file("mine", settings)
    assert "missing" in installed_upscalers(settings)[-1].problem


def test_swinir_is_not_taken_for_another_kind(tmp_path: Path) -> None:
    names = ("layers.0.residual_group.blocks.0.norm1.weight", "conv_first.weight")
    path = _save(tmp_path / "swinir.safetensors", *names)
    assert find_upscaler_file(str(path), Settings()).path == path
