"""IP-Adapters on disk: found, recognised, and refused with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from sdtui.core.errors import UnsafeModelError, UnsupportedModelError
from sdtui.core.settings import Settings
from sdtui.models.files_by_kind import FoundFile
from sdtui.models.ip_adapters import (
    IP_ADAPTERS,
    find_image_encoder,
    open_ip_adapter,
)

_LAYER = {"ip_adapter.1.to_k_ip.weight": (320, 768)}
_BASE = {"image_proj.proj.weight": (3072, 1024), "image_proj.norm.weight": (768,), **_LAYER}
_PLUS = {
    "image_proj.latents": (1, 16, 768),
    "image_proj.proj_in.weight": (768, 1280),
    **_LAYER,
}
_ENCODER = {
    "vision_model.embeddings.class_embedding": (1280,),
    "visual_projection.weight": (1024, 1280),
}


def _save(path: Path, shapes: dict[str, tuple[int, ...]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {name: torch.zeros(shape, dtype=torch.float16) for name, shape in shapes.items()}
    save_file(tensors, path)
    return path


def test_variants_are_recognised(tmp_path: Path) -> None:
    base = open_ip_adapter(FoundFile("a", _save(tmp_path / "a.safetensors", _BASE)))
    assert (base.family, base.layers, base.encoder_width) == ("sd1", 1, 1024)
    assert not base.takes_hidden_states
    plus = open_ip_adapter(FoundFile("b", _save(tmp_path / "b.safetensors", _PLUS)))
    assert (plus.takes_hidden_states, plus.encoder_width) == (True, 1280)


@pytest.mark.parametrize(
    ("shapes", "problem"),
    [
        ({"image_proj.norm.weight": (768,), "image_proj.proj.0.weight": (1, 512)}, "FaceID"),
        ({"image_proj.perceiver_resampler.proj_in.weight": (1, 1)}, "FaceID"),
        ({"conv_in.weight": (1,)}, "no IP-Adapter"),
    ],
)
def test_others_are_refused(
    tmp_path: Path, shapes: dict[str, tuple[int, ...]], problem: str
) -> None:
    path = _save(tmp_path / "x.safetensors", {**_LAYER, **shapes})
    with pytest.raises(UnsupportedModelError, match=problem):
        open_ip_adapter(FoundFile("x", path))


def test_pickles_are_refused(tmp_path: Path) -> None:
    (tmp_path / "ip-adapter.bin").touch()
    (listed,) = IP_ADAPTERS.installed(Settings(ip_adapter_folders=(tmp_path,)))
    assert "pickle" in listed.problem
    with pytest.raises(UnsafeModelError):
        IP_ADAPTERS.find("ip-adapter", Settings(ip_adapter_folders=(tmp_path,)))


def test_adapters_among_controlnets_are_found_by_their_names(tmp_path: Path) -> None:
    _save(tmp_path / "models" / "ControlNet" / "ip-adapter_sd15.safetensors", _BASE)
    _save(tmp_path / "models" / "ControlNet" / "canny.safetensors", {"x": (1,)})
    settings = Settings(model_folders=(tmp_path,))
    assert [each.name for each in IP_ADAPTERS.installed(settings)] == ["ip-adapter_sd15"]


def test_encoder_is_the_one_whose_values_an_adapter_takes(tmp_path: Path) -> None:
    wrong = {"vision_model.embeddings.class_embedding": (1664,)}
    _save(tmp_path / "a.safetensors", {**_ENCODER, **wrong})
    right = _save(tmp_path / "b.safetensors", _ENCODER)
    settings = Settings(clip_vision_folders=(tmp_path,))
    plus = open_ip_adapter(FoundFile("p", _save(tmp_path / "p" / "p.safetensors", _PLUS)))
    assert find_image_encoder(plus, settings).path == right
