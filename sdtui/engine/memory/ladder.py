"""The retry ladder: what is tried, in which order, when memory runs out. Pure data and functions;
the loop is in `generator.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from sdtui.core.enums import MemoryMode, Policy, Quantize, Runtime
from sdtui.engine.resolved_request import ResolvedRequest
from sdtui.requests.record import Stage

FIT_SIDE = 384
"""Pixels: the last resort reduces pictures to fit within this."""

FEWER_STEPS = 25

TILES = (512, 256)
"""Sides of VAE tiles in pixels, in the order in which they are tried."""

_ALL = frozenset(Stage)
_RUNNING = frozenset({Stage.ENCODE, Stage.PREPARE, Stage.DENOISE, Stage.DECODE})
_VAE = frozenset({Stage.PREPARE, Stage.DECODE})
_LARGE_PARTS = frozenset({Stage.LOAD, Stage.ENCODE, Stage.DENOISE})
"""The stages that have weights in memory which can be quantized."""

_FEWER_BITS = {
    Quantize.NONE: (Quantize.INT8, "weights in 8 bits (int8)"),
    Quantize.INT8: (Quantize.NF4, "weights in 4 bits (nf4)"),
    Quantize.FP8: (Quantize.NF4, "weights in 4 bits (nf4)"),
}
"""The next smaller format for each, and what it is."""


@dataclass(frozen=True)
class Plan:
    """How a run is carried out. The ladder replaces plans, never the request."""

    batch_size: int
    """Pictures per batch."""
    memory_mode: MemoryMode
    modes: tuple[MemoryMode, ...]
    """The device's modes, fastest first."""
    has_own_memory: bool = False
    """True if the device has memory of its own, besides the main memory."""
    runtime: Runtime = Runtime.TORCH
    quantize: Quantize = Quantize.NONE
    can_quantize: bool = False
    """True if parts of the model can be quantized; False until it is known."""
    resolved: ResolvedRequest | None = None
    """None until the model is loaded."""
    sections: Mapping[str, object] = field(default_factory=dict)
    """The sections of the run's features, by name."""
    vae_slicing: bool = False
    vae_tile: int | None = None
    """Side of the tiles in the decode stage, in pixels; None = whole pictures."""
    prepare_tile: int | None = None
    """The same in the prepare stage, for encoding and decoding."""
    finished_side: int = 0
    """The longest side of the finished pictures in pixels; 0 until it is known."""
    is_later_pass: bool = False
    """True if memory ran out after the first pass, whose result is kept."""
    freed: frozenset[Stage] = frozenset()
    """Stages that were already retried after only freeing caches."""


@dataclass(frozen=True)
class Rung:
    """A way to need less memory."""

    name: str
    stages: frozenset[Stage]
    """The stages that it applies to."""
    lossless: bool
    """True if the picture doesn't change."""
    apply: Callable[[Plan, Stage], tuple[Plan, str] | None]
    """Takes a plan and the stage that failed; returns a plan that needs less memory and a
    description of the change, or None if nothing is left to change."""


@dataclass(frozen=True)
class LadderStep:
    """A rung that was taken."""

    rung: Rung
    plan: Plan
    changes: str


def next_step(
    policy: Policy, plan: Plan, stage: Stage, attempts: int, more: tuple[Rung, ...] = ()
) -> LadderStep | None:
    """Return the next step after `stage` ran out of memory, or None if the policy allows no more.

    `attempts` is the number of attempts so far, `more` are the rungs of the run's features.
    """
    if policy is Policy.TUTORIAL and attempts >= TUTORIAL_ATTEMPTS:
        return None
    for rung in _rungs(policy, more):
        if stage in rung.stages:
            found = rung.apply(plan, stage)
            if found is not None:
                return LadderStep(rung, *found)
    return None


def _rungs(policy: Policy, more: tuple[Rung, ...]) -> tuple[Rung, ...]:
    if policy is Policy.TUTORIAL:
        return LADDERS[policy]
    lossless = tuple(rung for rung in more if rung.lossless)
    if policy is Policy.STRICT:
        return LADDERS[policy] + lossless
    lossy = tuple(rung for rung in more if not rung.lossless)
    return LOSSLESS + lossless + (_QUANTIZE,) + lossy + LOSSY


def _free_caches(plan: Plan, stage: Stage) -> tuple[Plan, str] | None:
    if stage in plan.freed:
        return None
    return replace(plan, freed=plan.freed | {stage}), "freed the caches"


def _slice_vae(plan: Plan, stage: Stage) -> tuple[Plan, str] | None:
    if plan.vae_slicing or plan.batch_size == 1:
        return None
    work = "decoding" if stage is Stage.DECODE else "encoding"
    return replace(plan, vae_slicing=True), f"{work} picture by picture"


def _tile_vae(plan: Plan, stage: Stage) -> tuple[Plan, str] | None:
    if "tiling" in plan.sections:  # tiles would have seams, where the picture must have none
        return None
    resolved = plan.resolved
    largest = max(plan.finished_side, resolved.width, resolved.height) if resolved else 0
    before = plan.prepare_tile if stage is Stage.PREPARE else plan.vae_tile
    now = min(largest, before or largest)
    tile = next((tile for tile in TILES if tile < now), None)
    if tile is None:
        return None
    changes = f"tiling the VAE ({tile} px)"
    if stage is Stage.PREPARE:
        return replace(plan, prepare_tile=tile), changes
    return replace(plan, vae_tile=tile), changes


def _split_batch(plan: Plan, _: Stage) -> tuple[Plan, str] | None:
    if plan.batch_size == 1:
        return None
    size = plan.batch_size // 2
    return replace(plan, batch_size=size), f"{size} picture{'s' if size > 1 else ''} at once"


def _offload(mode: MemoryMode, words: str) -> Callable[[Plan, Stage], tuple[Plan, str] | None]:
    order = list(MemoryMode)

    def apply(plan: Plan, _: Stage) -> tuple[Plan, str] | None:
        if mode not in plan.modes or order.index(plan.memory_mode) >= order.index(mode):
            return None
        return replace(plan, memory_mode=mode), words

    return apply


def _load_in_parts(plan: Plan, stage: Stage) -> tuple[Plan, str] | None:
    # With weights moved layer by layer, such a device has less in its memory than a whole part.
    if plan.has_own_memory and stage is not Stage.LOAD:
        return None
    return _offload(MemoryMode.PARTS, "loading one part of the model at a time")(plan, stage)


def _use_torch(plan: Plan, _: Stage) -> tuple[Plan, str] | None:
    if plan.runtime is not Runtime.OPENVINO:
        return None
    return replace(plan, runtime=Runtime.TORCH), "computing with torch: OpenVINO copies the weights"


def _quantize(plan: Plan, _: Stage) -> tuple[Plan, str] | None:
    smaller = _FEWER_BITS.get(plan.quantize)
    if smaller is None or not plan.can_quantize or plan.memory_mode is not MemoryMode.PARTS:
        return None
    quantize, changes = smaller
    return replace(plan, quantize=quantize), changes


def _fit(plan: Plan, _: Stage) -> tuple[Plan, str] | None:
    resolved = plan.resolved
    if resolved is None or plan.is_later_pass:
        return None
    if max(resolved.width, resolved.height) <= FIT_SIDE:
        return None
    width, height = fit_within(resolved.width, resolved.height, FIT_SIDE, resolved.size_multiple)
    changes = f"{resolved.width}×{resolved.height} → {width}×{height}"
    return replace(plan, resolved=replace(resolved, width=width, height=height)), changes


def _fewer_steps(plan: Plan, _: Stage) -> tuple[Plan, str] | None:
    resolved = plan.resolved
    if resolved is None or plan.is_later_pass or resolved.num_inference_steps <= FEWER_STEPS:
        return None
    changes = f"{resolved.num_inference_steps} → {FEWER_STEPS} steps"
    fewer = replace(resolved, num_inference_steps=FEWER_STEPS)
    return replace(plan, resolved=fewer), changes


def fit_within(width: int, height: int, side: int, multiple: int) -> tuple[int, int]:
    """Return the largest size of nearly the same aspect ratio whose sides are at most `side` pixels
    and multiples of `multiple`; no side gets smaller than 64 pixels."""
    scale = side / max(width, height)
    least = -(-64 // multiple) * multiple

    def fitted(length: int) -> int:
        return max(least, min(side, round(length * scale)) // multiple * multiple)

    return fitted(width), fitted(height)


_FREE = Rung("free caches", _ALL, True, _free_caches)
_SLICE = Rung("VAE slicing", _VAE, True, _slice_vae)
_TILE = Rung("VAE tiling", _VAE, True, _tile_vae)
_SPLIT = Rung("split batch", _VAE | {Stage.DENOISE}, True, _split_batch)
_MODEL = Rung(
    "model offload",
    _ALL,
    True,
    _offload(MemoryMode.MODEL_OFFLOAD, "keeping idle parts of the model in main memory"),
)
_GROUP = Rung(
    "group offload",
    _ALL,
    True,
    _offload(MemoryMode.GROUP_OFFLOAD, "streaming the weights layer by layer"),
)
_SEQUENTIAL = Rung(
    "sequential offload",
    _ALL,
    True,
    _offload(MemoryMode.SEQUENTIAL_OFFLOAD, "moving the weights layer by layer"),
)
_TORCH = Rung("torch", _RUNNING, True, _use_torch)
_PARTS = Rung("loading in parts", _ALL, True, _load_in_parts)
_QUANTIZE = Rung("fewer bits", _LARGE_PARTS, False, _quantize)
_SMALLER = Rung("smaller picture", _RUNNING, False, _fit)
_FEWER = Rung("fewer steps", frozenset({Stage.DENOISE}), False, _fewer_steps)

LOSSLESS = (_FREE, _SLICE, _TILE, _SPLIT, _TORCH, _MODEL, _GROUP, _SEQUENTIAL, _PARTS)
LOSSY = (_SMALLER, _FEWER)
"""Behind those of the run's features."""

TUTORIAL_ATTEMPTS = 3

LADDERS: Mapping[Policy, tuple[Rung, ...]] = {
    Policy.KEEP: (*LOSSLESS, _QUANTIZE, *LOSSY),
    Policy.STRICT: LOSSLESS,
    Policy.TUTORIAL: (_SMALLER, Rung("fewer steps", _RUNNING, False, _fewer_steps)),
}
