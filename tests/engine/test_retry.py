"""The retry ladder as data, without a pipeline or torch."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sdtui.core.enums import MemoryMode, Policy, Quantize
from sdtui.engine.memory.ladder import LADDERS, Plan, fit_within, next_step
from sdtui.engine.resolved_request import ResolvedRequest
from sdtui.requests.record import Stage

_GPU = (
    MemoryMode.FULL,
    MemoryMode.MODEL_OFFLOAD,
    MemoryMode.GROUP_OFFLOAD,
    MemoryMode.SEQUENTIAL_OFFLOAD,
)


def _plan(modes: tuple[MemoryMode, ...] = _GPU, batch_size: int = 4) -> Plan:
    return Plan(
        batch_size=batch_size,
        memory_mode=MemoryMode.FULL,
        modes=modes,
        resolved=ResolvedRequest(
            prompt="a red cat",
            negative_prompt="",
            sampler=None,
            num_inference_steps=50,
            guidance_scale=7.5,
            width=1024,
            height=768,
        ),
    )


def _walk(policy: Policy, stage: Stage, plan: Plan) -> list[tuple[str, str]]:
    """Return every rung that is used when a stage never stops failing."""
    taken = []
    attempts = 1
    while (step := next_step(policy, plan, stage, attempts)) is not None:
        assert step.plan != plan
        taken.append((step.rung.name, step.changes))
        plan, attempts = step.plan, attempts + 1
        assert attempts < 30, "the ladder never ends"
    return taken


def test_decode_frees_slices_tiles_splits_offloads_and_only_then_shrinks() -> None:
    assert _walk(Policy.KEEP, Stage.DECODE, _plan()) == [
        ("free caches", "freed the caches"),
        ("VAE slicing", "decoding picture by picture"),
        ("VAE tiling", "tiling the VAE (512 px)"),
        ("VAE tiling", "tiling the VAE (256 px)"),
        ("split batch", "2 pictures at once"),
        ("split batch", "1 picture at once"),
        ("model offload", "keeping idle parts of the model in main memory"),
        ("group offload", "streaming the weights layer by layer"),
        ("sequential offload", "moving the weights layer by layer"),
        ("smaller picture", "1024×768 → 384×288"),
    ]


def test_denoise_rungs_do_not_change_the_vae() -> None:
    names = [name for name, _ in _walk(Policy.KEEP, Stage.DENOISE, _plan(batch_size=1))]
    assert names == [
        "free caches",
        "model offload",
        "group offload",
        "sequential offload",
        "smaller picture",
        "fewer steps",
    ]


def test_load_never_changes_the_picture() -> None:
    names = [name for name, _ in _walk(Policy.KEEP, Stage.LOAD, _plan())]
    assert names == ["free caches", "model offload", "group offload", "sequential offload"]


@pytest.mark.parametrize("stage", Stage)
def test_strict_policy_has_only_lossless_rungs(stage: Stage) -> None:
    plan, attempts = _plan(), 1
    while (step := next_step(Policy.STRICT, plan, stage, attempts)) is not None:
        plan, attempts = step.plan, attempts + 1
        assert step.rung.lossless
    assert plan.resolved == _plan().resolved


@pytest.mark.parametrize("stage", [Stage.ENCODE, Stage.DENOISE, Stage.DECODE])
def test_tutorial_policy_has_three_attempts(stage: Stage) -> None:
    assert _walk(Policy.TUTORIAL, stage, _plan()) == [
        ("smaller picture", "1024×768 → 384×288"),
        ("fewer steps", "50 → 25 steps"),
    ]


def test_cpu_has_no_offload_rungs() -> None:
    names = {name for name, _ in _walk(Policy.KEEP, Stage.DENOISE, _plan((MemoryMode.FULL,)))}
    assert not {"model offload", "group offload", "sequential offload"} & names


def test_parts_that_do_not_fit_are_quantized() -> None:
    plan = replace(_plan((MemoryMode.FULL, MemoryMode.PARTS)), can_quantize=True)
    assert _walk(Policy.KEEP, Stage.LOAD, plan) == [
        ("free caches", "freed the caches"),
        ("loading in parts", "loading one part of the model at a time"),
        ("fewer bits", "weights in 8 bits (int8)"),
        ("fewer bits", "weights in 4 bits (nf4)"),
    ]
    assert _walk(Policy.KEEP, Stage.LOAD, replace(plan, quantize=Quantize.NF4))[2:] == []
    assert "fewer bits" not in dict(_walk(Policy.STRICT, Stage.LOAD, plan))
    assert "fewer bits" not in dict(_walk(Policy.KEEP, Stage.DECODE, plan))


def test_gpu_loads_in_parts_only_if_loading_failed() -> None:
    plan = replace(_plan((*_GPU, MemoryMode.PARTS)), has_own_memory=True, can_quantize=True)
    denoising = [name for name, _ in _walk(Policy.KEEP, Stage.DENOISE, plan)]
    assert denoising[-3:] == ["sequential offload", "smaller picture", "fewer steps"]
    loading = [name for name, _ in _walk(Policy.KEEP, Stage.LOAD, plan)]
    assert loading[-4:] == ["sequential offload", "loading in parts", "fewer bits", "fewer bits"]


@pytest.mark.parametrize("policy", [Policy.KEEP, Policy.STRICT])
def test_lossless_rungs_come_first(policy: Policy) -> None:
    lossless = [rung.lossless for rung in LADDERS[policy]]
    assert lossless == sorted(lossless, reverse=True)


@pytest.mark.parametrize(
    ("size", "fitted"),
    [
        ((1024, 1024), (384, 384)),
        ((512, 768), (256, 384)),
        ((2048, 64), (384, 64)),
        ((1000, 1000), (384, 384)),
        ((1024, 1016), (384, 376)),
    ],
)
def test_fit_within_keeps_the_aspect_ratio(size: tuple[int, int], fitted: tuple[int, int]) -> None:
    assert fit_within(*size, 384, 8) == fitted
