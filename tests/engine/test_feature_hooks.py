"""The hooks of features are called in their order, and only where they are requested."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image, ImageOps

from sdtui.core.enums import DType
from sdtui.core.settings import Settings
from sdtui.engine.encode.options import EncodeOptions
from sdtui.engine.families.family import StepState
from sdtui.engine.features.feature import Feature
from sdtui.engine.generator import generate
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.passes import Batch, Pass
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.models import ModelDescription
from sdtui.requests.events import Estimated
from sdtui.requests.record import Stage
from sdtui.requests.request import GenerationRequest
from tests.support.events import Events
from tests.support.faults import Fault, failing
from tests.support.images import difference
from tests.support.requests import make_request

STEPS = 4


class _EveryHook(Feature[str]):
    """Records every hook; enabled by the negative prompt, which is its section."""

    name = "every_hook"

    def __init__(self) -> None:
        self.calls: list[str] = []

    def _called(self, hook: str) -> None:
        if hook not in self.calls[-1:]:
            self.calls.append(hook)

    def open(self, request: GenerationRequest) -> str | None:
        self._called("open")
        return request.negative_prompt or None

    def memory(self, section: str, description: ModelDescription, dtype: DType) -> int:
        return 10 * 2**30

    def load_key(self, section: str) -> Hashable:
        return "black" if "black" in section else None

    def after_load(self, section: str, pipeline: Any) -> None:
        self._called("after_load")
        pipeline.unet.conv_out.weight.data.zero_()

    @contextmanager
    def apply(self, section: str, model: LoadedModel) -> Iterator[None]:
        self._called("apply")
        try:
            yield
        finally:
            self._called("undo apply")

    def embedding_key(self, section: str, pass_: Pass) -> Hashable:
        return section

    def encode_options(
        self, section: str, model: LoadedModel, options: EncodeOptions
    ) -> EncodeOptions:
        self._called("encode_options")
        return replace(options, clip_skip=2)

    def passes(self, section: str, passes: tuple[Pass, ...]) -> tuple[Pass, ...]:
        self._called("passes")
        return passes

    def arguments(self, section: str, model: LoadedModel, batch: Batch) -> Mapping[str, Any]:
        self._called("arguments")
        return {"eta": 0.5}

    @contextmanager
    def denoising(self, section: str, model: LoadedModel, batch: Batch) -> Iterator[None]:
        self._called("denoising")
        yield
        self._called("undo denoising")

    def on_step(self, section: str, batch: Batch, state: StepState) -> torch.Tensor | None:
        self._called("on_step")
        return torch.zeros_like(state.latents) if state.step == state.total else None

    def after_decode(self, section: str, images: Sequence[Image.Image]) -> Sequence[Image.Image]:
        self._called("after_decode")
        return [ImageOps.invert(image) for image in images]

    def settings(self, section: str) -> Mapping[str, object]:
        return {"strength": 0.25}

    def parents(self, section: str) -> tuple[str, ...]:
        return ("0" * 64,)


@pytest.fixture
def feature() -> _EveryHook:
    return _EveryHook()


@pytest.fixture
def hooked(feature: _EveryHook) -> Iterator[StableDiffusionEngine]:
    with StableDiffusionEngine(Settings(device="cpu"), features=(feature,)) as engine:
        yield engine


def test_hooks_are_called_in_their_order(
    hooked: StableDiffusionEngine, feature: _EveryHook, tiny_sd1: Path, events: Events
) -> None:
    result = generate(hooked, make_request(tiny_sd1, negative_prompt="x"), report=events)
    assert feature.calls == [
        "open",
        "passes",
        "apply",
        "encode_options",
        "arguments",
        "denoising",
        "on_step",
        "undo denoising",
        "after_decode",
        "undo apply",
    ]
    record = result.record
    assert record.settings is not None
    assert record.settings.field_values()["strength"] == 0.25
    assert record.parents == ("0" * 64,)
    estimate = next(event.estimate for event in events if isinstance(event, Estimated))
    assert estimate > 10 * 2**30


def test_latents_that_a_step_hook_returns_are_used(
    hooked: StableDiffusionEngine, tiny_sd1: Path
) -> None:
    first, second = (
        generate(hooked, make_request(tiny_sd1, negative_prompt="x", seed=seed)).images[0]
        for seed in (1, 2)
    )
    assert difference(first, second) == 0


def test_feature_that_is_not_requested_changes_nothing(
    hooked: StableDiffusionEngine,
    feature: _EveryHook,
    engine: StableDiffusionEngine,
    tiny_sd1: Path,
) -> None:
    plain = generate(engine, make_request(tiny_sd1)).images[0]
    assert difference(generate(hooked, make_request(tiny_sd1)).images[0], plain) == 0
    assert feature.calls == ["open"]


def test_embeddings_are_cached_by_the_keys_of_features(
    hooked: StableDiffusionEngine, feature: _EveryHook, tiny_sd1: Path
) -> None:
    generate(hooked, make_request(tiny_sd1, negative_prompt="x", guidance_scale=1))
    loaded = hooked.loaded
    assert loaded is not None
    encoded: list[int] = []
    hook = loaded.pipeline.text_encoder.register_forward_hook(lambda *_: encoded.append(1))
    try:
        for negative_prompt, is_encoded in [("x", False), ("y", True), ("x", False)]:
            encoded.clear()
            # Without guidance the negative prompt itself isn't encoded.
            request = make_request(tiny_sd1, negative_prompt=negative_prompt, guidance_scale=1)
            generate(hooked, request)
            assert bool(encoded) is is_encoded, negative_prompt
    finally:
        hook.remove()


def test_model_is_loaded_anew_for_another_load_key(
    hooked: StableDiffusionEngine, feature: _EveryHook, tiny_sd1: Path, events: Events
) -> None:
    for negative_prompt in ("x", "black", "black again", "x"):
        generate(hooked, make_request(tiny_sd1, negative_prompt=negative_prompt), report=events)
        assert hooked.loaded is not None
        zeroed = not hooked.loaded.pipeline.unet.conv_out.weight.any()
        assert zeroed is negative_prompt.startswith("black")
    assert events.kinds().count("loaded") == 3
    assert feature.calls.count("after_load") == 1


def test_what_was_applied_is_undone_when_the_run_fails(
    hooked: StableDiffusionEngine, feature: _EveryHook, tiny_sd1: Path
) -> None:
    model = hooked.load(str(tiny_sd1), DType.FLOAT32)
    fault = Fault(1, lambda: RuntimeError("something else"))
    with (
        failing(model, Stage.DENOISE, fault),
        pytest.raises(RuntimeError, match="something else"),
    ):
        generate(hooked, make_request(tiny_sd1, negative_prompt="x"))
    assert feature.calls[-1] == "undo apply"


class _Whisper(Feature[int]):
    """Enabled by a word in the prompt or by models that have a native sampler; not supported for
    SDXL."""

    name = "whisper"
    fields = ("whispers in the prompt",)

    def open(self, request: GenerationRequest) -> int | None:
        return 1 if "whisper" in request.prompt else None

    def native(self, description: ModelDescription) -> int | None:
        return 2 if description.native.sampler else None

    def supports(self, section: int, description: ModelDescription) -> bool:
        return description.family != "sdxl"

    def settings(self, section: int) -> Mapping[str, object]:
        return {"strength": section / 10}


@pytest.fixture
def whispering() -> Iterator[StableDiffusionEngine]:
    with StableDiffusionEngine(Settings(device="cpu"), features=(_Whisper(),)) as engine:
        yield engine


@pytest.mark.parametrize(("prompt", "strength"), [("a cat", 0.2), ("a whisper", 0.1)])
def test_native_section_is_used_where_the_request_has_none(
    whispering: StableDiffusionEngine, tiny_sd1: Path, prompt: str, strength: float
) -> None:
    result = generate(whispering, make_request(tiny_sd1, prompt=prompt))
    assert result.record.settings is not None
    assert result.record.settings.field_values()["strength"] == strength


@pytest.mark.parametrize(("prompt", "notices"), [("a cat", 0), ("a whisper", 1)])
def test_feature_that_a_model_does_not_support_is_left_out_with_a_notice(
    whispering: StableDiffusionEngine, tiny_sdxl: Path, prompt: str, notices: int
) -> None:
    result = generate(whispering, make_request(tiny_sdxl, prompt=prompt))
    assert result.record.settings is not None
    assert "strength" not in result.record.settings.field_values()
    assert ["whispers" in notice for notice in result.record.notices] == [True] * notices
