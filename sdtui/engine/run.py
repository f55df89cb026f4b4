"""One request being carried out: its plan, and what is done of it so far.

A run can be advanced again after it failed: finished pictures, and latents that wait to be
decoded, are kept, so an out-of-memory in the decoder never costs a second denoising.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from PIL import Image

from sdtui.core.cancellation import Cancellation
from sdtui.core.errors import BrokenPictureError, SdtuiError
from sdtui.engine.input_images import fit_image, open_init_image
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.memory.batching import choose_batch_size, expected_peak, held_before
from sdtui.engine.memory.ladder import Plan
from sdtui.engine.memory.modes import modes_for, set_vae_savings
from sdtui.engine.memory.oom import OOM_CANDIDATES, is_out_of_memory
from sdtui.engine.pipeline_manager import StableDiffusionEngine
from sdtui.engine.record_builder import RecordBuilder
from sdtui.engine.resolve import Resolved, resolve
from sdtui.engine.stages.decode import broken, check_latents, decode, decode_in_float32, to_images
from sdtui.engine.stages.denoise import Batch, denoise, not_accepted
from sdtui.engine.stages.encode import Embeddings, find_truncations
from sdtui.requests.events import Estimated, Notice, Preview, Report, StageStarted, Step, Truncated
from sdtui.requests.record import GenerationRecord, ImageRecord, ImageSettings, Stage
from sdtui.requests.request import GenerationRequest

OnImage = Callable[[int, Image.Image, GenerationRecord], None]
"""Called with every finished picture: its index, itself, and its own record."""


@dataclass(frozen=True)
class GenerationResult:
    """The pictures of a run and its record. `error` is set if the run failed or was cancelled;
    `images` then holds what was finished before."""

    images: list[Image.Image]
    record: GenerationRecord
    error: SdtuiError | None = None


class Run:
    """See the module's text. `advance` does all that is left to do."""

    def __init__(
        self,
        engine: StableDiffusionEngine,
        request: GenerationRequest,
        report: Report,
        cancellation: Cancellation,
        on_image: OnImage | None = None,
    ) -> None:
        self.request = request
        self.seeds = request.with_seed().seeds()
        self.stage = Stage.LOAD
        self.builder = RecordBuilder(request, self.seeds, engine.device.torch.type)
        self.plan = Plan(
            batch_size=request.num_images_per_prompt,
            memory_mode=request.execution.memory_mode,
            modes=modes_for(engine.device),
        )
        self._engine = engine
        self._report = report
        self._cancellation = cancellation
        self._on_image = on_image
        self._resolved: Resolved | None = None
        self._init_image: Image.Image | None = None
        self._images: dict[int, Image.Image] = {}
        self._latents: dict[int, torch.Tensor] = {}
        engine.meter.start()
        if engine.threads:
            engine.threads.begin()
        self._held = held_before(engine.device, loaded=engine.loaded, model=request.model)

    def try_advance(self) -> str | None:
        """Advance; None if the run is done, the error's text if memory ran out. By the time this
        returns, the error and the frames it held are gone. Raises every other error."""
        try:
            self.advance()
        except OOM_CANDIDATES as error:
            if not is_out_of_memory(error):
                raise
            lines = str(error).strip().splitlines()
            return lines[0] if lines else type(error).__name__
        return None

    def change_plan(self, plan: Plan) -> None:
        """Go on with another plan. Latents made for another size or number of steps go."""
        old = self.plan
        if (old.width, old.height, old.num_inference_steps) != (
            plan.width,
            plan.height,
            plan.num_inference_steps,
        ):
            self._latents.clear()
        self.plan = plan

    def advance(self) -> None:
        """Do all that is left to do. Raises what the stages raise; `stage` says which it was."""
        with self._in_stage(Stage.LOAD):
            model = self._load()
        with self._in_stage(Stage.ENCODE):
            embeddings = self._encode(model)
        while len(self._images) < len(self.seeds):
            waiting = [index for index in self._latents if index not in self._images]
            if waiting:
                with self._in_stage(Stage.DECODE):
                    self._decode(model, waiting[: self.plan.batch_size])
                continue
            self._cancellation.check_between_pictures()
            todo = [index for index in range(len(self.seeds)) if index not in self._images]
            with self._in_stage(Stage.DENOISE):
                self._denoise(model, embeddings, todo[: self.plan.batch_size])

    def result(self, error: SdtuiError | None = None) -> GenerationResult:
        """The finished pictures, in order, and the record."""
        indices = sorted(self._images)
        return GenerationResult(
            [self._images[index] for index in indices],
            self._record(indices, error=error, complete=len(indices) == len(self.seeds)),
            error,
        )

    # Stages

    def _load(self) -> LoadedModel:
        self._cancellation.check()
        self._open_init_image()
        before = self._engine.loaded
        model = self._engine.load(
            self.request.model,
            self.request.execution.dtype,
            self.plan.memory_mode,
            self.request.execution.speed,
            report=self._report,
            cancellation=self._cancellation,
        )
        if model is not before:
            self.builder.load_timings = model.load_timings
        self.builder.model, self.builder.dtype = model.record, model.dtype
        for notice in model.speedups.notices:
            self._notice(notice)
        self._settle(model)
        return model

    def _open_init_image(self) -> None:
        """Before the model is loaded: a wrong path should be told at once."""
        section = self.request.image_to_image
        if section is not None and self._init_image is None:
            opened = open_init_image(section.image)
            self.builder.parents = (opened.sha256,)
            self._init_image = opened.image

    def _settle(self, model: LoadedModel) -> None:
        first = self._resolved is None
        self._resolved = resolve(model, self.request)
        wanted = self._resolved.settings
        self.plan = replace(
            self.plan.resolved(
                wanted.width,
                wanted.height,
                wanted.num_inference_steps,
                self._resolved.size_multiple,
            ),
            memory_mode=model.memory_mode,
        )
        if first:
            size = choose_batch_size(model, wanted, len(self.seeds))
            self.plan = replace(self.plan, batch_size=min(size, self.plan.batch_size))
            self.builder.estimate = expected_peak(model, wanted, size, self._held)
            self._report(
                Estimated(
                    estimate=self.builder.estimate,
                    free=self._engine.device.memory().free,
                    memory_mode=model.memory_mode,
                )
            )
        self.builder.memory_mode = model.memory_mode
        self.builder.settings = wanted.model_copy(
            update={
                "width": self.plan.width,
                "height": self.plan.height,
                "num_inference_steps": self.plan.num_inference_steps,
                "batch_size": self.plan.batch_size,
                "vae_slicing": self.plan.vae_slicing,
                "vae_tiling": self.plan.vae_tile is not None,
                "speedups": model.speedups.names,
            }
        )

    def _encode(self, model: LoadedModel) -> Embeddings | None:
        self._cancellation.check()
        settings = self.builder.settings
        assert settings is not None
        prompts = self.request.prompt, self.request.negative_prompt
        truncations = find_truncations(model.counters, *prompts)
        for truncation in truncations if not self.builder.truncations else ():
            self._report(Truncated(truncation=truncation))
        self.builder.truncations = truncations
        if not model.description.is_stable_diffusion:
            return None
        guidance = model.uses_cfg(settings.guidance_scale)
        return model.encoder.encode(model.pipeline, *prompts, guidance=guidance)

    def _denoise(
        self, model: LoadedModel, embeddings: Embeddings | None, indices: list[int]
    ) -> None:
        settings, resolved = self.builder.settings, self._resolved
        assert settings is not None
        assert resolved is not None
        batch = Batch(
            seeds=tuple(self.seeds[index] for index in indices),
            width=settings.width,
            height=settings.height,
            num_inference_steps=settings.num_inference_steps,
            guidance_scale=settings.guidance_scale,
            sampler=resolved.sampler,
            prompt=self.request.prompt,
            negative_prompt=self.request.negative_prompt,
            embeddings=embeddings,
            init_image=self._fitted_init_image(settings),
            strength=settings.field_values().get("strength", 1.0),
        )
        for name in not_accepted(model, batch):
            self._notice(f"{model.source.name} doesn't take {name}: it was left out")
        # An init image is encoded whole: some VAEs can't encode in tiles.
        set_vae_savings(model.pipeline.vae, slicing=False, tile=None)
        watch = self._engine.settings.previews
        made = denoise(model, batch, self._on_step(model, indices), watch=watch)
        self._cancellation.check()
        if isinstance(made, list):
            for index, image in zip(indices, made, strict=True):
                self._finish(index, image)
            return
        check_latents(made, model.dtype)
        # Kept as batches of one, and joined by cat, so that their memory format stays: kernels
        # round differently for another one.
        self._latents.update(zip(indices, made.split(1), strict=True))

    def _fitted_init_image(self, settings: ImageSettings) -> Image.Image | None:
        section = self.request.image_to_image
        if section is None or self._init_image is None:
            return None
        return fit_image(self._init_image, settings.width, settings.height, section.fit)

    def _decode(self, model: LoadedModel, indices: list[int]) -> None:
        self._cancellation.check()
        plan = self.plan
        if not set_vae_savings(model.pipeline.vae, slicing=plan.vae_slicing, tile=plan.vae_tile):
            self._notice(f"the VAE of {model.source.name} can't work in tiles")
        latents = torch.cat([self._latents[index] for index in indices])
        pictures = self._decoded(model, latents)
        for index, image in zip(indices, to_images(model, pictures), strict=True):
            self._finish(index, image)

    def _decoded(self, model: LoadedModel, latents: torch.Tensor) -> torch.Tensor:
        """Pictures as tensors, looked at and mended."""
        pictures = decode(model, latents)
        wrong = broken(pictures)
        if wrong:
            if model.pipeline.vae.dtype != torch.float32:
                self._notice(
                    f"the VAE gave black or NaN pictures in {model.dtype}: decoding them again "
                    "in float32"
                )
                pictures[wrong] = decode_in_float32(model, latents[wrong])
            if broken(pictures):
                raise BrokenPictureError(
                    "the decoded picture is black or holds NaN, in float32 too",
                    "Try another sampler, fewer changes to the model, or another VAE",
                    stage=Stage.DECODE,
                )
        return pictures

    # Telling

    def _finish(self, index: int, image: Image.Image) -> None:
        self._images[index] = image
        self._latents.pop(index, None)
        if self._on_image is not None:
            self._on_image(index, image, self._record([index]).of_image(index))

    def _on_step(
        self, model: LoadedModel, indices: list[int]
    ) -> Callable[[int, int, torch.Tensor | None], None]:
        began = time.perf_counter()
        last = began
        begun = {*indices, *self._latents, *self._images}
        batches = math.ceil((len(self.seeds) - len(begun)) / len(indices))

        def on_step(step: int, total: int, x0: torch.Tensor | None) -> None:
            nonlocal last
            self._cancellation.check()
            if self._engine.threads:
                self._engine.threads.adapt(compiled=model.speedups.compiled)
            now = time.perf_counter()
            mean = (now - began) / step
            self._report(
                Step(
                    step=step,
                    total=total,
                    first_image=indices[0],
                    batch_size=len(indices),
                    seconds=now - last,
                    it_per_second=1 / mean,
                    remaining=mean * (total - step + total * batches),
                    memory_now=self._engine.meter.now(),
                    memory_peak=self._engine.meter.peak(),
                )
            )
            last = now
            if x0 is not None and model.to_rgb is not None:
                width, height, rgb = model.to_rgb(x0)
                self._report(
                    Preview(step=step, image_index=indices[0], width=width, height=height, rgb=rgb)
                )

        return on_step

    def _notice(self, message: str) -> None:
        if message not in self.builder.notices:
            self.builder.notices.append(message)
            self._report(Notice(message=message))

    @contextmanager
    def _in_stage(self, stage: Stage) -> Iterator[None]:
        self.stage = stage
        self._report(StageStarted(stage=stage))
        with self.builder.timing(stage):
            yield

    def _record(
        self, indices: list[int], *, error: SdtuiError | None = None, complete: bool = True
    ) -> GenerationRecord:
        images = tuple(
            ImageRecord(
                index=index,
                seed=self.seeds[index],
                width=self._images[index].width,
                height=self._images[index].height,
            )
            for index in indices
        )
        return self.builder.record(
            images,
            peak=self._engine.meter.peak(),
            total=self._engine.device.memory().total,
            error=error,
            complete=complete,
        )
