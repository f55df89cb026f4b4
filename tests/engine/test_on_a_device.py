"""Whole generations on a stand-in for an accelerator: a tensor that is left on the CPU raises, as
on a GPU, and so does one of another precision."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusers import DiffusionPipeline
from PIL import Image
from safetensors.torch import load_file, save_file

from sdtui.core.cancellation import Cancellation
from sdtui.core.enums import MemoryMode
from sdtui.core.errors import CancelledError, OutOfMemoryError
from sdtui.core.settings import Settings
from sdtui.engine.device import Device
from sdtui.engine.features import features_for
from sdtui.engine.generator import RobustStableDiffusionGenerator, generate
from sdtui.engine.memory.modes import modes_for
from sdtui.engine.memory.parts import is_placeholder
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.requests.events import Event
from sdtui.requests.record import Stage
from sdtui.requests.request import GenerationRequest
from tests.support.embeddings import make_embedding
from tests.support.faults import Fault, failing
from tests.support.images import difference
from tests.support.loras import (
    diffusers,
    random_lora,
    save_lora,
    tensors_of,
    trained_layers,
)
from tests.support.recording_device import RECORDED, RecordingDevice
from tests.support.requests import make_request
from tests.support.tiny_models import make_sd1, make_sdxl
from tests.support.tiny_other_families import make_flux
from tests.support.tiny_transformers import save_tiny

_MAKERS: dict[str, Any] = {"sd1": make_sd1, "sdxl": make_sdxl, "flux": make_flux}
# Without those that have a VAE for videos, since a CPU convolves these slowly in fp16, and without
# Sana: its tiny decoder divides by sums near zero, so that latents that differ by 1e-5 give pixels
# that differ by 2 of 255, in float32 too.
_FAMILIES = [
    *[("sd1", mode) for mode in modes_for(Device(RECORDED))],
    ("sdxl", MemoryMode.GROUP_OFFLOAD),
    ("flux", MemoryMode.SEQUENTIAL_OFFLOAD),
    ("flux", MemoryMode.MODEL_OFFLOAD),
    ("sd3", MemoryMode.MODEL_OFFLOAD),
    ("flux2_klein", MemoryMode.MODEL_OFFLOAD),
    ("pixart", MemoryMode.FULL),
]
"""Every mode with one family, and every family in one mode: what moves weights knows no family.
`tests/gpu` runs more of them on a real device."""
_FROM_PICTURES = [
    ("sd1", MemoryMode.SEQUENTIAL_OFFLOAD),
    ("sdxl", MemoryMode.MODEL_OFFLOAD),
    ("flux", MemoryMode.GROUP_OFFLOAD),
    ("sd3", MemoryMode.FULL),
    ("flux2_klein", MemoryMode.MODEL_OFFLOAD),
]
_BACKEND = SimpleNamespace(empty_cache=lambda: None)
"""The module of the stand-in's type of device, which torch looks up once. diffusers empties the
cache of a device after it has offloaded a model."""
_MODES = modes_for(Device(RECORDED))
_VALUES: dict[str, Any] = {
    "dtype": "float16",
    "sampler": None,
    "num_inference_steps": 2,
    "width": 96,
    "height": 64,
    "num_images_per_prompt": 2,
}
_ONE_PICTURE = {**_VALUES, "num_images_per_prompt": 1}


def _modes(*families: str) -> pytest.MarkDecorator:
    """Return the mark of a test in every mode, with one of the families in turn."""
    return pytest.mark.parametrize(
        ("family", "mode"),
        [(families[place % len(families)], mode) for place, mode in enumerate(_MODES)],
    )


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("on-a-device")


@pytest.fixture
def accelerated(monkeypatch: pytest.MonkeyPatch) -> Iterator[StableDiffusionEngine]:
    """An engine on the stand-in."""
    monkeypatch.setattr(torch, "lazy", _BACKEND, raising=False)
    engine = StableDiffusionEngine(Settings(device="cpu"))
    engine.device, engine.threads = Device(RECORDED), None
    engine.modes = modes_for(engine.device)
    yield engine
    with RecordingDevice():  # hooks move the weights when they are removed
        engine.cleanup()


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


@_modes("sd1", "sdxl")
def test_prompts_with_syntax_and_embeddings_on_a_device(
    accelerated: StableDiffusionEngine,
    models: Path,
    tmp_path: Path,
    family: str,
    mode: MemoryMode,
) -> None:
    widths = (32,) if family == "sd1" else (32, 32)
    make_embedding(tmp_path / "easy.safetensors", *widths)
    settings = Settings(device="cpu", embedding_folders=(tmp_path,))
    accelerated.features = features_for(settings)
    prompt = "a (easy:1.3) [cat|dog], " + "x" * 80 + " AND a cow :0.5"
    request = make_request(
        _folder(models, family), prompt=prompt, negative_prompt="[easy:y:1]", **_ONE_PICTURE
    )
    with StableDiffusionEngine(settings) as plain:
        assert _largest_difference(accelerated, plain, request, mode) <= 2


@pytest.mark.parametrize(("family", "mode"), _FAMILIES)
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


@pytest.mark.parametrize(("family", "mode"), _FROM_PICTURES)
def test_picture_from_an_init_image_on_a_device_is_that_of_the_cpu(
    accelerated: StableDiffusionEngine,
    shared_engine: StableDiffusionEngine,
    models: Path,
    family: str,
    mode: MemoryMode,
) -> None:
    request = make_request(_folder(models, family), **_VALUES, **_init_image(models))
    assert _largest_difference(accelerated, shared_engine, request, mode) <= 3


@_modes("flux", "sd1")
def test_loras_come_and_go_in_every_memory_mode(
    accelerated: StableDiffusionEngine,
    shared_engine: StableDiffusionEngine,
    models: Path,
    family: str,
    mode: MemoryMode,
) -> None:
    request = make_request(_folder(models, family), **_ONE_PICTURE)
    pipeline = DiffusionPipeline.from_pretrained(models / family)
    component = "unet" if family == "sd1" else "transformer"
    values = random_lora(pipeline, trained_layers(pipeline, component, "text_encoder"))
    lora = save_lora(models / f"{family}.safetensors", tensors_of(pipeline, values, diffusers))
    with_lora = request.changed(loras=[str(lora)])
    plain_there = _generate_there(accelerated, request, mode)
    lora_there = _generate_there(accelerated, with_lora, mode)
    begins_later = request.changed(loras=[f"{lora}:start=1"])
    later_there = _generate_there(accelerated, begins_later, mode)
    again_there = _generate_there(accelerated, request, mode)
    lora_here = generate(shared_engine, with_lora).images[0]
    assert difference(later_there, generate(shared_engine, begins_later).images[0]) <= 3
    assert difference(later_there, lora_there) > 0
    assert difference(plain_there, again_there) == 0
    assert difference(plain_there, lora_there) > 3
    assert difference(lora_there, lora_here) <= 3


@pytest.mark.parametrize("mode", _MODES)
def test_vae_tiling_guidance_and_noise_work_in_every_memory_mode(
    accelerated: StableDiffusionEngine,
    shared_engine: StableDiffusionEngine,
    models: Path,
    mode: MemoryMode,
) -> None:
    request = make_request(
        _folder(models, "sd1"), **{**_ONE_PICTURE, "sampler": "DPM++ 2S a Karras"}
    )
    own = load_file(models / "sd1" / "vae" / "diffusion_pytorch_model.safetensors")
    vae = models / "other-vae.safetensors"
    save_file({key: each.roll(1, dims=0).contiguous() for key, each in own.items()}, vae)
    changed = request.changed(
        **{"vae": str(vae), "tiling": True, "rng": "nv", "variation_strength": 0.3},
        **{"variation_seed": 4, "guidance_end": 0.5, "guidance_rescale": 0.5},
    )
    plain_there = _generate_there(accelerated, request, mode)
    changed_there = _generate_there(accelerated, changed, mode)
    again_there = _generate_there(accelerated, request, mode)
    assert difference(plain_there, again_there) == 0
    assert difference(plain_there, changed_there) > 3
    assert difference(changed_there, generate(shared_engine, changed).images[0]) <= 3


def _generate_there(
    engine: StableDiffusionEngine, request: GenerationRequest, mode: MemoryMode
) -> Image.Image:
    with RecordingDevice():
        return generate(engine, request.changed(memory_mode=mode)).images[0]


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


@_modes("sd1", "flux")
def test_broken_picture_is_decoded_in_float32_on_a_device(
    accelerated: StableDiffusionEngine, models: Path, family: str, mode: MemoryMode
) -> None:
    if mode is MemoryMode.PARTS:
        pytest.skip("the VAE with the fault isn't kept")
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


def _on_the_device(engine: StableDiffusionEngine) -> list[str]:
    """Return the names of the tensors that the loaded model has on the stand-in."""
    assert engine.loaded is not None
    parts = engine.loaded.pipeline.components.items()
    return [
        f"{part}.{name}"
        for part, module in parts
        if isinstance(module, torch.nn.Module)
        for name, parameter in module.named_parameters()
        if parameter.device.type == RECORDED.type
        and parameter.numel() > 1
        and not is_placeholder(parameter)
    ]


@pytest.mark.parametrize("mode", _MODES[1:])
def test_offloaded_weights_leave_the_device_after_a_picture_and_a_cancellation(
    accelerated: StableDiffusionEngine, models: Path, mode: MemoryMode
) -> None:
    request = make_request(_folder(models, "sdxl"), **_VALUES, memory_mode=mode)
    cancellation = Cancellation()

    def cancel_in_the_first_step(event: Event) -> None:
        if event.kind == "step":
            cancellation.stop_now()

    with RecordingDevice():
        generate(accelerated, request)
        assert _on_the_device(accelerated) == []
        with pytest.raises(CancelledError):
            generate(
                accelerated, request, report=cancel_in_the_first_step, cancellation=cancellation
            )
        assert _on_the_device(accelerated) == []


class _Stream:
    """A stream whose work is always finished."""

    def synchronize(self) -> None:
        """Return at once."""


def test_group_offload_with_streams_survives_cancellations_and_errors(
    accelerated: StableDiffusionEngine,
    shared_engine: StableDiffusionEngine,
    models: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, made in {"Stream": _Stream, "stream": nullcontext, "current_stream": _Stream}.items():
        monkeypatch.setattr(_BACKEND, name, made, raising=False)
    request = make_request(_folder(models, "sd1"), **_VALUES, memory_mode="group_offload")
    with RecordingDevice():
        accelerated.load(request.model, request.execution.dtype, MemoryMode.GROUP_OFFLOAD)
        assert accelerated.loaded is not None
        layers = [
            each for each in accelerated.loaded.denoiser.modules() if not list(each.children())
        ]
        for fault in (
            Fault(1, CancelledError),
            Fault(1),
        ):  # while diffusers records the layers, and afterwards
            handle = layers[len(layers) // 2].register_forward_pre_hook(fault)
            with pytest.raises((CancelledError, OutOfMemoryError)):
                generate(accelerated, request)
            handle.remove()
            there = generate(accelerated, request).images
            assert _on_the_device(accelerated) == []
        recording = accelerated.loaded.vae._diffusers_hook.get_hook(
            "lazy_prefetch_group_offloading"
        )
    assert recording is None
    here = generate(shared_engine, request.changed(memory_mode="full")).images
    assert max(difference(*pair) for pair in zip(there, here, strict=True)) <= 3


@pytest.mark.parametrize("stage", [Stage.ENCODE, Stage.DENOISE])
def test_ladder_takes_the_memory_modes_one_by_one_on_a_device(
    accelerated: StableDiffusionEngine,
    shared_engine: StableDiffusionEngine,
    models: Path,
    stage: Stage,
) -> None:
    request = make_request(_folder(models, "sd1"), policy="strict", **_ONE_PICTURE)
    with RecordingDevice():
        accelerated.load(request.model, request.execution.dtype, MemoryMode.FULL)
        assert accelerated.loaded is not None
        # The last mode is another loaded model, in which nothing fails.
        with failing(accelerated.loaded, stage, Fault(times=9)):
            result = RobustStableDiffusionGenerator(accelerated).generate_with_fallback(request)
    rungs = [attempt.rung for attempt in result.record.attempts]
    offload = ["model offload", "group offload", "sequential offload"]
    assert rungs == [None, "free caches", *offload]
    assert result.error is None
    assert difference(result.images[0], generate(shared_engine, request).images[0]) <= 3


def test_mixed_devices_are_refused_as_by_a_gpu() -> None:
    with RecordingDevice():
        there = torch.ones(2, device=RECORDED)
        assert (there + torch.tensor(1.0)).cpu().tolist() == [2, 2]
        with pytest.raises(RuntimeError, match="same device"):
            there + torch.ones(2)
