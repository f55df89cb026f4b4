"""The memory modes, with the CPU in the role of a GPU: the hooks are the same, the moves have no
effect. The memory savings can only be measured on a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch

from sdtui.core.enums import MemoryMode
from sdtui.core.settings import Settings
from sdtui.engine import pipeline_manager as engine_module
from sdtui.engine.generator import RobustStableDiffusionGenerator, generate
from sdtui.engine.memory.modes import set_vae_savings
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.requests.record import Stage
from tests.support.faults import Fault, module_of
from tests.support.images import difference
from tests.support.requests import make_request

# Sequential offload can't run like this: accelerate takes "cpu:0" and "cpu" for two devices.
_MODES = (MemoryMode.FULL, MemoryMode.MODEL_OFFLOAD, MemoryMode.GROUP_OFFLOAD)


@pytest.fixture
def offloading() -> Iterator[StableDiffusionEngine]:
    """An engine with a device that supports every mode."""
    with StableDiffusionEngine(Settings(device="cpu")) as engine:
        engine.modes = _MODES
        yield engine


@pytest.mark.parametrize("fixture", ["tiny_sd1", "tiny_sdxl"])
def test_every_memory_mode_makes_the_same_picture(
    offloading: StableDiffusionEngine, fixture: str, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(fixture)
    full = generate(offloading, make_request(folder, memory_mode="full"))
    order = ("model_offload", "full", "group_offload", "model_offload", "full")
    for mode in order:
        result = generate(offloading, make_request(folder, memory_mode=mode))
        assert result.record.memory_mode == mode
        assert difference(full.images[0], result.images[0]) <= 1, mode


@pytest.mark.parametrize("mode", _MODES)
def test_image_to_image_works_in_every_memory_mode(
    offloading: StableDiffusionEngine, tiny_sd1: Path, tmp_path: Path, mode: MemoryMode
) -> None:
    from PIL import Image

    Image.linear_gradient("L").save(tmp_path / "init.png")
    wanted = make_request(tiny_sd1, init_image=tmp_path / "init.png", strength=0.9)
    full = generate(offloading, wanted.changed(memory_mode="full"))
    result = generate(offloading, wanted.changed(memory_mode=mode))
    assert difference(full.images[0], result.images[0]) <= 1


def test_ladder_tries_leaner_memory_modes(
    offloading: StableDiffusionEngine, tiny_sd1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = Fault(3)
    place = engine_module.apply_mode  # type: ignore[attr-defined]

    def placed(pipeline: Any, *rest: Any) -> None:
        place(pipeline, *rest)
        # A reloaded model has lost the hook.
        pipeline.unet.register_forward_pre_hook(fault)

    full = generate(offloading, make_request(tiny_sd1, memory_mode="full")).images[0]
    offloading.unload()
    monkeypatch.setattr(engine_module, "apply_mode", placed)
    generator = RobustStableDiffusionGenerator(offloading)
    result = generator.generate_with_fallback(make_request(tiny_sd1))
    assert result.error is None
    rungs = [attempt.rung for attempt in result.record.attempts]
    assert rungs == [None, "free caches", "model offload", "group offload"]
    assert result.record.memory_mode is MemoryMode.GROUP_OFFLOAD
    assert difference(full, result.images[0]) <= 1


def test_offloaded_model_is_usable_after_a_failed_run(
    offloading: StableDiffusionEngine, tiny_sd1: Path
) -> None:
    wanted = make_request(tiny_sd1, memory_mode="model_offload")
    sound = generate(offloading, wanted).images[0]
    assert offloading.loaded is not None
    fault = Fault(1, lambda: RuntimeError("something else"))
    handle = module_of(offloading.loaded, Stage.DENOISE).register_forward_pre_hook(fault)
    with pytest.raises(RuntimeError, match="something else"):
        generate(offloading, wanted)
    handle.remove()
    assert difference(generate(offloading, wanted).images[0], sound) == 0


_SMALL_VIDEO_VAE: dict[str, Any] = {
    "base_dim": 8,
    "z_dim": 4,
    "dim_mult": [1, 1, 1, 1],
    "num_res_blocks": 1,
    "temperal_downsample": [False, True, True],
}
_TILED_VAES = {
    "AutoencoderKL": {"block_out_channels": [32] * 4, "up_block_types": ["UpDecoderBlock2D"] * 4},
    "AutoencoderTiny": {},
    "AutoencoderDC": {
        "latent_channels": 4,
        "attention_head_dim": 2,
        "encoder_block_types": "ResBlock",
        "decoder_block_types": "ResBlock",
        "encoder_block_out_channels": (8,) * 6,
        "decoder_block_out_channels": (8,) * 6,
        "encoder_layers_per_block": (1,) * 6,
        "decoder_layers_per_block": (1,) * 6,
    },
    "AutoencoderKLQwenImage": _SMALL_VIDEO_VAE,
    "AutoencoderKLWan": _SMALL_VIDEO_VAE,
    "AutoencoderKLFlux2": {"block_out_channels": (32,) * 4, "latent_channels": 4},
}


@pytest.mark.parametrize("tile", [256, 128])
@pytest.mark.parametrize("name", _TILED_VAES)
def test_every_kind_of_vae_decodes_in_tiles_of_the_wanted_size(name: str, tile: int) -> None:
    options: dict[str, Any] = _TILED_VAES[name]
    vae: Any = getattr(diffusers, name)(**options).eval()
    sizes: list[tuple[int, int]] = []
    vae.decoder.register_forward_hook(lambda _, given, out: sizes.append(tuple(out.shape[-2:])))
    channels = vae.config.get("z_dim") or vae.config.latent_channels
    frames = (1,) if "z_dim" in vae.config else ()
    factor = 32 if name == "AutoencoderDC" else 8
    latents = torch.randn(1, channels, *frames, 2 * tile // factor, tile // factor)
    with torch.no_grad():
        assert set_vae_savings(vae, slicing=True, tile=tile)
        tiled = vae.decode(latents, return_dict=False)[0]
        assert max(sizes) == (tile, tile)
        assert len(sizes) > 1
        assert set_vae_savings(vae, slicing=False, tile=None)
        assert vae.decode(latents, return_dict=False)[0].shape == tiled.shape
    assert sizes[-1] == (2 * tile, tile)


def test_decoder_without_tiles_says_so() -> None:
    assert not set_vae_savings(diffusers.VQModel(), slicing=True, tile=512)
    assert set_vae_savings(None, slicing=False, tile=None)
