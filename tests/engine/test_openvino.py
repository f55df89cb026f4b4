"""OpenVINO: the same pictures as torch's, converted once, and what goes through torch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from sdtui.core.cancellation import Cancellation
from sdtui.core.enums import Runtime, Speed
from sdtui.core.errors import CancelledError, UnsupportedModelError
from sdtui.core.settings import Settings
from sdtui.engine.device import Device
from sdtui.engine.generator import RobustStableDiffusionGenerator, generate
from sdtui.engine.openvino import choice, store
from sdtui.engine.openvino import component as components
from sdtui.engine.openvino.choice import choose_runtime
from sdtui.engine.openvino.compiled import Compiled
from sdtui.engine.openvino.conversion import convert
from sdtui.engine.openvino.weights import Watched
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.engine.result import GenerationResult
from sdtui.engine.speed import presets
from sdtui.requests.events import Preview
from sdtui.requests.record import Stage
from tests.support.faults import Fault, failing
from tests.support.images import difference
from tests.support.requests import make_request

CPU = Device(torch.device("cpu"))
NOT_INSTALLED = "needs the extra openvino"
needs_openvino = pytest.mark.skipif(not choice.is_installed(), reason=NOT_INSTALLED)


@pytest.mark.parametrize("installed", [True, False])
def test_auto_takes_it_with_the_faster_presets_where_it_is_installed(
    installed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "is_installed", lambda: installed)
    chosen = {speed: choose_runtime(Runtime.AUTO, speed, CPU) for speed in Speed}
    faster = Runtime.OPENVINO if installed else Runtime.TORCH
    assert chosen == {Speed.QUALITY: Runtime.TORCH, Speed.FAST: faster, Speed.MAX: faster}
    gpu = Device(torch.device("cuda", 0))
    assert choose_runtime(Runtime.AUTO, Speed.FAST, gpu) is Runtime.TORCH


def test_asking_for_it_in_vain_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "is_installed", lambda: False)
    with pytest.raises(UnsupportedModelError, match=r"sdtui\[openvino\]"):
        choose_runtime(Runtime.OPENVINO, Speed.QUALITY, CPU)
    with pytest.raises(UnsupportedModelError, match="cuda"):
        choose_runtime(Runtime.OPENVINO, Speed.QUALITY, Device(torch.device("cuda", 0)))


def test_changed_weights_are_noticed_and_told_apart() -> None:
    layer = nn.Conv2d(2, 2, 1)
    module = nn.Sequential(layer)
    watched = Watched(module)
    state, digest = watched.state(), watched.digest()
    assert (watched.state(), watched.digest()) == (state, digest)
    with torch.no_grad():
        layer.weight.mul_(2)
    assert watched.state() != state
    assert watched.digest() != digest
    assert watched.why_not() is None
    layer.padding_mode = "circular"
    assert "tiling" in str(watched.why_not())


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StableDiffusionEngine]:
    """An engine for all tests, and a folder: the tiny model is converted once."""
    folder = tmp_path_factory.mktemp("converted")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "folder", lambda: folder)
        with StableDiffusionEngine(Settings(device="cpu")) as engine:
            yield engine


def _generated(
    engine: StableDiffusionEngine, model: Path, runtime: str = "openvino", **values: Any
) -> GenerationResult:
    defaults = {"num_inference_steps": 2, "dtype": "float32", "width": 64, "height": 64}
    return generate(engine, make_request(model, runtime=runtime, **{**defaults, **values}))


@needs_openvino
def test_pictures_are_those_of_torch_at_any_size(
    engine: StableDiffusionEngine, tiny_sd1: Path
) -> None:
    for values in ({}, {"width": 72, "height": 88}, {"guidance_scale": 1.0}):
        own = _generated(engine, tiny_sd1, "torch", **values)
        other = _generated(engine, tiny_sd1, **values)
        assert difference(own.images[0], other.images[0]) <= 2
        assert other.record.settings is not None
        assert other.record.settings.speedups == ("OpenVINO",)
        assert other.record.notices == ()
    assert len(list(store.folder().iterdir())) == 2  # the UNet and the decoder, for all sizes


@needs_openvino
@pytest.mark.parametrize(
    ("weights_bytes", "heights"),
    [(2**20, [8, 9, 10, 11, 12]), (2**30, [8, 9, 8, 10, 11, 8, 12, 8])],
)
def test_small_models_stay_compiled_for_four_sizes_and_large_ones_for_one(
    weights_bytes: int, heights: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    import openvino

    layer = nn.Conv2d(2, 2, 1)
    model = convert(lambda tensor: (layer(tensor),), layer, [torch.zeros(2, 2, 9, 11)])
    compiled = Compiled(model, torch.float32, weights_bytes)
    compile_model, compiled_for = openvino.Core.compile_model, []

    def compile_noted(core: Any, model: Any, *rest: Any) -> Any:
        compiled_for.append(model.inputs[0].get_shape()[2])
        return compile_model(core, model, *rest)

    monkeypatch.setattr(openvino.Core, "compile_model", compile_noted)
    for height in (8, 8, 9, 9, 8, 10, 11, 8, 12, 8):
        given = torch.randn(1, 2, height, 8)
        (found,) = compiled([given], lambda: None)
        torch.testing.assert_close(found, layer(given).detach())
    assert compiled_for == heights


@needs_openvino
def test_a_second_engine_finds_what_was_converted(
    engine: StableDiffusionEngine, tiny_sd1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _generated(engine, tiny_sd1)

    def never(*_: object) -> None:
        raise AssertionError("converted again")

    monkeypatch.setattr(components, "convert", never)
    with StableDiffusionEngine(Settings(device="cpu")) as other:
        assert difference(_generated(other, tiny_sd1).images[0], before.images[0]) == 0


@needs_openvino
def test_reused_deep_features_are_the_same_as_with_torch(
    engine: StableDiffusionEngine, tiny_sd1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presets, "_why_no_compiler", lambda _: "not in this test")
    values: dict[str, Any] = {"speed": "max", "num_inference_steps": 5}
    own = _generated(engine, tiny_sd1, "torch", **values)
    other = _generated(engine, tiny_sd1, "auto", **values)
    assert difference(own.images[0], other.images[0]) <= 2
    assert other.record.settings is not None
    assert other.record.settings.speedups == ("OpenVINO", "deep features for 3 steps")
    assert other.record.notices == ("deep features: 3 of 5 steps skipped",)


@needs_openvino
def test_weights_that_change_in_place_are_converted_anew(
    engine: StableDiffusionEngine, tiny_sd1: Path
) -> None:
    before = _generated(engine, tiny_sd1)
    assert engine.loaded is not None
    weight = engine.loaded.denoiser.conv_out.weight
    with torch.no_grad():
        weight.mul_(0.5)
    assert difference(_generated(engine, tiny_sd1).images[0], before.images[0]) > 2
    with torch.no_grad():
        weight.mul_(2)
    assert difference(_generated(engine, tiny_sd1).images[0], before.images[0]) == 0


@needs_openvino
def test_what_it_cannot_do_goes_through_torch_with_a_notice(
    engine: StableDiffusionEngine, tiny_sd1: Path
) -> None:
    own = _generated(engine, tiny_sd1, "torch", tiling=True)
    other = _generated(engine, tiny_sd1, tiling=True)
    assert difference(own.images[0], other.images[0]) == 0
    (notice,) = other.record.notices
    assert notice == "without OpenVINO: seamless tiling changes the edges of convolutions"


@needs_openvino
def test_a_picture_can_be_previewed_and_cancelled_within_a_step(
    engine: StableDiffusionEngine, tiny_sd1: Path
) -> None:
    _generated(engine, tiny_sd1)  # so that nothing is converted below
    events: list[object] = []
    cancellation = Cancellation()
    request = make_request(tiny_sd1, runtime="openvino", dtype="float32", width=64, height=64)
    assert generate(engine, request, report=events.append).images
    assert any(isinstance(each, Preview) for each in events)
    assert engine.loaded is not None
    engine.loaded.denoiser.register_forward_pre_hook(lambda *_: cancellation.stop_now())
    with pytest.raises(CancelledError):
        generate(engine, request, cancellation=cancellation)
    engine.unload()


@needs_openvino
def test_a_run_that_is_out_of_memory_goes_on_with_torch(
    engine: StableDiffusionEngine, tiny_sd1: Path
) -> None:
    _generated(engine, tiny_sd1)
    assert engine.loaded is not None
    generator = RobustStableDiffusionGenerator(engine)
    request = make_request(tiny_sd1, runtime="openvino", dtype="float32", width=64, height=64)
    with failing(engine.loaded, Stage.DENOISE, Fault(times=9)):
        result = generator.generate_with_fallback(request)
    assert result.error is None
    assert [each.rung for each in result.record.attempts] == [None, "free caches", "torch"]
    assert result.record.settings is not None
    assert result.record.settings.speedups == ()
