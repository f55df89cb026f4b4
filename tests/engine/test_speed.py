"""Speed presets: what they turn on, and that missing support is not an error."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import nn
from torch._inductor import config as inductor

from sdtui.core.cancellation import Cancellation
from sdtui.core.enums import Speed
from sdtui.core.errors import CancelledError
from sdtui.core.settings import Settings
from sdtui.engine import threads
from sdtui.engine.device import Device
from sdtui.engine.generator import generate
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.engine.speed import presets as presets
from sdtui.engine.speed.deepcache import DeepCache, has_deep_blocks
from sdtui.engine.threads import ThreadCount, Used
from sdtui.requests.request import GenerationRequest
from tests.support.images import difference
from tests.support.requests import make_request
from tests.support.tiny_other_families import make_flux


@pytest.fixture
def without_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiling takes a minute; a missing compiler is tested separately."""
    monkeypatch.setattr(presets, "_why_no_compiler", lambda _: "not in this test")


@pytest.fixture
def engine() -> Iterator[StableDiffusionEngine]:
    with StableDiffusionEngine(Settings(device="cpu", previews=False)) as engine:
        yield engine


def _request(model: Path, speed: Speed, **values: Any) -> GenerationRequest:
    defaults = {
        "num_inference_steps": 8,
        "dtype": "auto",
        "runtime": "torch",
        "width": None,
        "height": None,
    }
    return make_request(model, speed=speed, **{**defaults, **values})


@pytest.mark.usefixtures("without_compiling")
def test_presets_record_what_they_enable_and_lack(
    engine: StableDiffusionEngine, tiny_sd1: Path
) -> None:
    records = {
        speed: generate(engine, _request(tiny_sd1, speed, num_inference_steps=1)).record
        for speed in Speed
    }
    parts = {
        speed: record.settings and record.settings.speedups for speed, record in records.items()
    }
    assert parts == {
        Speed.QUALITY: (),
        Speed.FAST: ("channels last", "deep features for 2 steps"),
        Speed.MAX: ("channels last", "deep features for 3 steps"),
    }
    assert records[Speed.QUALITY].notices == records[Speed.FAST].notices == ()
    assert records[Speed.MAX].notices == (
        "without fused projections: a CPU is slower with them",
        "without compiled blocks: not in this test",
    )


def test_projections_are_fused_on_a_gpu(engine: StableDiffusionEngine, tiny_sd1: Path) -> None:
    request = _request(tiny_sd1, Speed.QUALITY)
    before = generate(engine, request).images[0]
    assert engine.loaded is not None
    # The CPU in the role of a GPU: fusing doesn't depend on the device.
    gpu = Device(torch.device("cuda", 0))
    found = presets.turn_on(engine.loaded.pipeline, [presets.fused_projections], gpu)
    assert (found.names, found.notices) == (("fused projections",), ())
    assert difference(before, generate(engine, request).images[0]) <= 1


@pytest.mark.usefixtures("without_compiling")
@pytest.mark.parametrize("count", [1, 3])
def test_preset_is_reset_for_each_run(
    engine: StableDiffusionEngine, tiny_sd1: Path, count: int
) -> None:
    request = _request(tiny_sd1, Speed.MAX, num_images_per_prompt=count)
    first, second = generate(engine, request).images, generate(engine, request).images
    assert all(difference(one, other) == 0 for one, other in zip(first, second, strict=True))


def test_quality_after_fast_restores_the_original_picture(
    engine: StableDiffusionEngine, tiny_sd1: Path
) -> None:
    quality, fast = _request(tiny_sd1, Speed.QUALITY), _request(tiny_sd1, Speed.FAST)
    before = generate(engine, quality).images[0]
    changed = generate(engine, fast).images[0]
    after = generate(engine, quality).images[0]
    assert difference(before, after) == 0
    assert difference(before, changed) > 0


def test_deep_features_are_reused_in_every_other_pass_only() -> None:
    unet = _CountingUNet()
    reuse = DeepCache(unet, interval=2)
    for number in range(4):
        unet(torch.full((1,), float(number)))
    assert [block.calls for block in unet.down_blocks] == [4, 2]
    assert [block.calls for block in unet.up_blocks] == [2, 4]
    assert unet.mid_block.calls == 2
    reuse.restart()
    unet(torch.zeros(1))
    assert unet.mid_block.calls == 3


def test_unet_with_one_block_reuses_nothing() -> None:
    shallow = nn.Module()
    shallow.down_blocks, shallow.up_blocks = nn.ModuleList([nn.Identity()]), nn.ModuleList()
    assert not has_deep_blocks(shallow)


@pytest.mark.usefixtures("without_compiling")
def test_transformers_leave_out_steps_alike_in_parts_and_after_a_cancellation(
    engine: StableDiffusionEngine, tmp_path: Path
) -> None:
    model = make_flux(tmp_path)
    request = _request(model, Speed.MAX, width=64, height=64, num_inference_steps=12)
    first = generate(engine, request)
    assert first.record.settings is not None
    assert "step cache 0.08" in first.record.settings.speedups
    skipped = [each for each in first.record.notices if each.startswith("step cache: ")]
    assert re.fullmatch(r"step cache: [1-9] of 12 steps skipped", skipped[0])
    assert any(notice.startswith("without channels last:") for notice in first.record.notices)
    cancellation = Cancellation()

    def cancel(event: Any) -> None:
        if event.kind == "step" and event.step == 5:
            cancellation.stop_now()

    with pytest.raises(CancelledError):
        generate(engine, request, report=cancel, cancellation=cancellation)
    assert difference(first.images[0], generate(engine, request).images[0]) == 0
    in_parts = generate(engine, request.changed(memory_mode="parts"))
    assert difference(first.images[0], in_parts.images[0]) == 0
    assert skipped[0] in in_parts.record.notices
    quality = generate(engine, request.changed(speed="quality"))
    assert 0 < difference(first.images[0], quality.images[0]) <= 20


def test_missing_compiler_does_not_prevent_the_picture(
    engine: StableDiffusionEngine,
    tiny_sd1: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(inductor.cpp, "cxx", ("/nonexistent/c++",))
    # The result is cached per process; other tests may have set it.
    monkeypatch.setattr(presets, "_why_no_compiler", presets._why_no_compiler.__wrapped__)
    record = generate(engine, _request(tiny_sd1, Speed.MAX, num_inference_steps=1)).record
    assert record.success
    assert any(
        notice.startswith("without compiled blocks: torch.compile doesn't work here")
        for notice in record.notices
    )


@pytest.mark.parametrize(("speed", "expected"), [(Speed.QUALITY, 5), (Speed.MAX, 8)])
def test_compiled_blocks_do_not_depend_on_the_thread_count(
    engine: StableDiffusionEngine,
    tiny_sd1: Path,
    monkeypatch: pytest.MonkeyPatch,
    speed: Speed,
    expected: int,
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "WINDOW", 0.0)
    monkeypatch.setattr(threads, "allowed_cpus", lambda: range(8))
    monkeypatch.setattr(presets, "_why_no_compiler", lambda _: None)
    monkeypatch.setattr(UNet2DConditionModel, "compile_repeated_blocks", lambda _: None)
    before = torch.get_num_threads()
    seconds = itertools.count()
    engine.threads = ThreadCount(most=8, measure=lambda: _three_busy(next(seconds)))
    try:
        generate(engine, _request(tiny_sd1, speed, num_inference_steps=2))
        assert torch.get_num_threads() == expected
    finally:
        torch.set_num_threads(before)


def _three_busy(second: float) -> Used:
    """Other processes keep three cores busy."""
    return Used(clock=second, own=second, all=4 * second)


class _Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return values + 1


class _CountingUNet(nn.Module):
    """The blocks of a UNet in order, without their computation."""

    def __init__(self) -> None:
        super().__init__()
        self.down_blocks = nn.ModuleList([_Block(), _Block()])
        self.mid_block = _Block()
        self.up_blocks = nn.ModuleList([_Block(), _Block()])

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        for block in (*self.down_blocks, self.mid_block, *self.up_blocks):
            values = block(values)
        return values
