"""The memory modes, with the CPU in the role of a GPU: the hooks are the same, the moves have no
effect. The memory savings can only be measured on a GPU."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sdtui.core.enums import MemoryMode
from sdtui.core.settings import Settings
from sdtui.engine import pipeline_manager as engine_module
from sdtui.engine.generator import RobustStableDiffusionGenerator, generate
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
