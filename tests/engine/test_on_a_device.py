"""Whole generations on a stand-in for an accelerator: a tensor that is left on the CPU raises, as
on a GPU, and so does one of another precision."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image

from sdtui.core.enums import MemoryMode
from sdtui.core.settings import Settings
from sdtui.engine.device import Device
from sdtui.engine.generator import RobustStableDiffusionGenerator, generate
from sdtui.engine.memory.modes import modes_for
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.requests.record import Stage
from sdtui.requests.request import GenerationRequest
from tests.support.faults import Fault, failing
from tests.support.images import difference
from tests.support.recording_device import RECORDED, RecordingDevice
from tests.support.requests import make_request
from tests.support.tiny_models import make_sd1, make_sdxl
from tests.support.tiny_other_families import make_flux
from tests.support.tiny_transformers import save_tiny

_MAKERS: dict[str, Any] = {"sd1": make_sd1, "sdxl": make_sdxl, "flux": make_flux}
# A CPU convolves videos slowly in fp16, so those with a VAE for videos are left out.
_FAMILIES = (*_MAKERS, "sd3", "flux2_klein", "pixart")
_FROM_PICTURES = (*_MAKERS, "sd3", "flux2_klein")
_VALUES: dict[str, Any] = {
    "dtype": "float16",
    "sampler": None,
    "num_inference_steps": 2,
    "width": 128,
    "height": 96,
    "num_images_per_prompt": 2,
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("on-a-device")


@pytest.fixture
def accelerated(monkeypatch: pytest.MonkeyPatch) -> Iterator[StableDiffusionEngine]:
    """An engine on the stand-in."""
    # diffusers empties the cache of a device after it has offloaded a model.
    monkeypatch.setattr(torch, "lazy", SimpleNamespace(empty_cache=lambda: None), raising=False)
    with StableDiffusionEngine(Settings(device="cpu")) as engine:
        engine.device, engine.threads = Device(RECORDED), None
        engine.modes = modes_for(engine.device)
        yield engine


def _folder(models: Path, family: str) -> Path:
    folder = models / family
    if not folder.exists():
        make = _MAKERS.get(family)
        _ = make(folder) if make else save_tiny(family, folder)
    return folder


def _init_image(models: Path) -> dict[str, Any]:
    file = models / "init.png"
    Image.linear_gradient("L").convert("RGB").save(file)
    return {"init_image": file, "strength": 0.6}


def _largest_difference(
    accelerated: StableDiffusionEngine,
    plain: StableDiffusionEngine,
    request: GenerationRequest,
    mode: MemoryMode,
) -> int:
    """Return the largest difference between the pictures of the stand-in and those of the CPU."""
    with RecordingDevice():
        there = generate(accelerated, request.changed(memory_mode=mode)).images
    here = generate(plain, request).images
    return max(difference(*pair) for pair in zip(there, here, strict=True))


@pytest.mark.parametrize("mode", [MemoryMode.FULL, MemoryMode.MODEL_OFFLOAD])
@pytest.mark.parametrize("family", _FAMILIES)
def test_picture_on_a_device_is_that_of_the_cpu(
    accelerated: StableDiffusionEngine,
    shared_engine: StableDiffusionEngine,
    models: Path,
    family: str,
    mode: MemoryMode,
) -> None:
    request = make_request(_folder(models, family), **_VALUES)
    # Batches on a CPU are smaller, which rounds differently in fp16.
    assert _largest_difference(accelerated, shared_engine, request, mode) <= 3


@pytest.mark.parametrize("mode", [MemoryMode.FULL, MemoryMode.MODEL_OFFLOAD])
@pytest.mark.parametrize("family", _FROM_PICTURES)
def test_picture_from_an_init_image_on_a_device_is_that_of_the_cpu(
    accelerated: StableDiffusionEngine,
    shared_engine: StableDiffusionEngine,
    models: Path,
    family: str,
    mode: MemoryMode,
) -> None:
    request = make_request(_folder(models, family), **_VALUES, **_init_image(models))
    assert _largest_difference(accelerated, shared_engine, request, mode) <= 3


@pytest.mark.parametrize("family", ["sd1", "sdxl", "flux"])
def test_decoding_in_tiles_works_on_a_device(
    accelerated: StableDiffusionEngine, models: Path, family: str
) -> None:
    values = {**_VALUES, "width": 320, "height": 64}
    request = make_request(_folder(models, family), policy="strict", **values)
    with RecordingDevice():
        generate(accelerated, request.changed(memory_mode="full"))
        assert accelerated.loaded is not None
        with failing(accelerated.loaded, Stage.DECODE, Fault(times=3)):
            result = RobustStableDiffusionGenerator(accelerated).generate_with_fallback(request)
    assert result.error is None
    assert result.record.attempts[-1].rung == "VAE tiling"


@pytest.mark.parametrize("family", ["sd1", "flux"])
@pytest.mark.parametrize("mode", [MemoryMode.FULL, MemoryMode.MODEL_OFFLOAD])
def test_broken_picture_is_decoded_in_float32_on_a_device(
    accelerated: StableDiffusionEngine, models: Path, family: str, mode: MemoryMode
) -> None:
    request = make_request(_folder(models, family), **_VALUES, memory_mode=mode)
    with RecordingDevice():
        generate(accelerated, request)
        assert accelerated.loaded is not None
        broken = accelerated.loaded.pipeline.vae.decoder.register_forward_hook(
            lambda _module, _given, made: made * float("nan")
        )
        try:
            result = generate(accelerated, request)
        finally:
            broken.remove()
    assert "decoding them again in float32" in result.record.notices[-1]


def test_init_image_leaves_no_vae_on_the_device_with_model_offload(
    accelerated: StableDiffusionEngine, models: Path
) -> None:
    request = make_request(
        _folder(models, "sdxl"), **_VALUES, **_init_image(models), memory_mode="model_offload"
    )
    devices: list[str] = []

    with RecordingDevice():
        generate(accelerated, request)
        assert accelerated.loaded is not None
        vae = accelerated.loaded.vae
        hook = accelerated.loaded.denoiser.register_forward_pre_hook(
            lambda *_: devices.append(vae.device.type)
        )
        generate(accelerated, request)
        hook.remove()
    assert set(devices) == {"cpu"}


def test_mixed_devices_are_refused_as_by_a_gpu() -> None:
    with RecordingDevice():
        there = torch.ones(2, device=RECORDED)
        assert (there + torch.tensor(1.0)).cpu().tolist() == [2, 2]
        with pytest.raises(RuntimeError, match="same device"):
            there + torch.ones(2)
