"""The steps of a training, with samples and checkpoints between them."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from pathlib import Path

import torch

from sdtui.core.errors import CancelledError, OutOfMemoryError, TrainingError
from sdtui.requests.training.events import (
    CheckpointWritten,
    MemoryShort,
    Planned,
    TrainingFinished,
    TrainingStep,
)
from sdtui.training.batches import Batches
from sdtui.training.checkpoint import read_checkpoint, write_checkpoint
from sdtui.training.folder import checkpoint_name
from sdtui.training.lora_file import kohya_metadata, kohya_tensors, write_lora
from sdtui.training.lora_metadata import TrainingFacts, lora_metadata
from sdtui.training.memory import memory_needs, memory_plan
from sdtui.training.network import TrainedNetwork
from sdtui.training.optimizers import chosen_optimizer, learning_rates
from sdtui.training.plan import steps_between, steps_for
from sdtui.training.preparation import (
    PreparedData,
)
from sdtui.training.samples import Samples
from sdtui.training.session import TrainingSession
from sdtui.training.trainer import StepResult, Trainer

_log = logging.getLogger(__name__)


class TrainingRun:
    """A training whose pictures are prepared."""

    def __init__(self, session: TrainingSession, prepared: PreparedData, lora_folder: Path) -> None:
        """`lora_folder` is where LoRAs are written."""
        self._started = time.time()
        self._request = session.request
        self._engine = session.engine
        self._model = session.model
        self._prepared = prepared
        self._folder = session.folder
        self._report = session.report
        self._control = session.control
        self._lora_folder = lora_folder
        self._processes = session.processes
        # PEFT draws the first weights from the global generator
        torch.manual_seed(session.request.seed)
        self._network = TrainedNetwork(self._model.pipeline, session.request)
        self._trainer = self._make_trainer()
        self._samples = Samples(session)
        usual = steps_between(self._trainer.steps)
        self._checkpointing_steps = session.request.output.checkpointing_steps or usual
        self._validation_steps = session.request.output.validation_steps or usual
        self._restore()

    def finish(self) -> Path:
        """Make the steps and return the LoRA's file."""
        self._report_plan()
        trainer = self._trainer
        self._samples.rest_encoders()
        self._make_samples()  # those that were missing when the training was interrupted, too
        lora: Path | None = None
        while trainer.step < trainer.steps and not self._is_ended():
            self._report_step(self._advance())
            lora = self._write_after(trainer.step)
            self._make_samples()
        is_whole = trainer.step == trainer.steps
        if trainer.step == 0:
            raise CancelledError
        if self._control.is_paused and not is_whole:
            self._write_checkpoint()
            raise CancelledError
        path = lora if lora and is_whole else self._write_end()
        self._report(
            TrainingFinished(
                step=trainer.step,
                path=str(path),
                seconds=time.time() - self._started,
                is_stopped=not is_whole,
            )
        )
        return path

    def _make_trainer(self) -> Trainer:
        request, prepared = self._request, self._prepared
        kind = chosen_optimizer(
            request.optimization.optimizer, on_cuda=self._engine.device.has_own_memory
        )
        needs = memory_needs(self._model, self._network, prepared.resolution)
        memory = self._engine.device.memory()
        free = int(-self._processes.highest(-float(memory.free)))
        plan = memory_plan(request, needs, kind, replace(memory, free=free), self._processes.count)
        batches = [
            Batches(pictures, request.optimization.train_batch_size, request.data, request.seed)
            for pictures in (prepared.learned, prepared.classes)
            if pictures
        ]
        steps = request.optimization.max_train_steps
        return Trainer(
            request,
            self._model,
            self._network,
            prepared.captions,
            batches[0],
            batches[1] if len(batches) > 1 else None,
            plan,
            steps or steps_for(len(prepared.learned)),
            self._processes,
        )

    def _restore(self) -> None:
        """Go on from the last state, if there is one. Raises TrainingError."""
        checkpoint = read_checkpoint(self._folder)
        try:
            if checkpoint is not None:
                self._trainer.restore(checkpoint)
        except (KeyError, ValueError, RuntimeError) as error:
            raise TrainingError(
                f"the state in {self._folder} is that of another training",
                "Give another name, or delete the folder",
            ) from error
        for of_encoders in (False, True):
            parameters = self._network.parameters(of_text_encoders=of_encoders)
            self._processes.take_first(parameters)

    def _advance(self) -> StepResult:
        """Make a step, with less memory if it runs out. Raises OutOfMemoryError."""
        if self._engine.threads:
            self._engine.threads.adapt()
        while True:
            failure = ""
            try:
                return self._trainer.advance()
            except OutOfMemoryError as error:
                failure = error.what
            self._engine.device.release()
            step, plan = self._trainer.step + 1, self._trainer.plan.with_less()
            if plan is None:
                raise OutOfMemoryError(
                    f"memory ran out in step {step}, also with gradient checkpointing and one"
                    f" picture at a time: {failure}",
                    "Take a smaller --resolution or --rank, or close what else uses the memory",
                    stage="denoise",
                )
            _log.warning("memory ran out in step %s: %s", step, failure)
            change = plan.changes_from(self._trainer.plan)
            self._trainer.use_less_memory(plan)
            self._report(MemoryShort(step=step, change=change))

    def _is_ended(self) -> bool:
        """True if the first process has been told to pause or stop."""
        return bool(self._processes.highest(float(self._control.is_ended)))

    def _write_after(self, step: int) -> Path | None:
        """Write what is wanted after a step; return the path of the LoRA, if there is one."""
        if step == self._trainer.steps:
            return self._write_end()
        return self._write_checkpoint() if self._is_checkpoint(step) else None

    def _is_checkpoint(self, step: int) -> bool:
        """True if a LoRA is written after a step."""
        is_last = step == self._trainer.steps
        return is_last or (step > 0 and step % self._checkpointing_steps == 0)

    def _make_samples(self) -> None:
        """Make the samples that are wanted after the last step."""
        step, is_last = self._trainer.step, self._trainer.step == self._trainer.steps
        if is_last or step % self._validation_steps == 0:
            lora = self._lora_file(None if is_last else step)
            self._samples.make(step, lora if self._is_checkpoint(step) else None)

    def _write_end(self) -> Path:
        """Write the LoRA that the training ends with, and the state to go on from."""
        return self._write(self._lora_file(None))

    def _write_checkpoint(self) -> Path:
        """Write a LoRA of this step, whose path is returned, and the state to go on from."""
        step = self._trainer.step
        path = self._write(self._lora_file(step))
        self._report(CheckpointWritten(step=step, path=str(path)))
        return path

    def _write(self, path: Path) -> Path:
        if self._processes.is_main:
            write_checkpoint(self._folder, self._trainer.checkpoint())
            self._write_lora(path)
        return path

    def _lora_file(self, step: int | None) -> Path:
        """Return the path of the LoRA of a checkpoint; None = of the end."""
        name = self._request.output_name
        file = f"{name}.safetensors" if step is None else checkpoint_name(name, step)
        return self._lora_folder / file

    def _write_lora(self, path: Path) -> None:
        """Write the LoRA as it is now."""
        request, trainer = self._request, self._trainer
        kind = trainer.plan.optimizer
        rate, text_rate = learning_rates(request.optimization, kind)
        facts = TrainingFacts(
            resolution=self._prepared.resolution,
            batch_size=request.optimization.train_batch_size,
            learning_rate=rate,
            text_encoder_rate=text_rate if request.network.train_text_encoder else None,
            optimizer=kind,
            steps=trainer.steps,
            batches_in_epoch=trainer.batches_in_epoch,
            prediction_type=trainer.prediction_type,
            started=self._started,
        )
        metadata = lora_metadata(request, self._model, self._prepared.dataset, facts, trainer.step)
        tensors = kohya_tensors(
            self._network.tensors(),
            request.alpha,
            torch.float16,
            several_encoders=self._model.description.family == "sdxl",
        )
        write_lora(path, tensors, kohya_metadata(metadata))

    def _report_plan(self) -> None:
        trainer, model = self._trainer, self._model
        rate, _ = learning_rates(self._request.optimization, trainer.plan.optimizer)
        self._report(
            Planned(
                model=model.source.name,
                family=model.description.family,
                device=str(self._engine.device.torch),
                dtype=model.dtype,
                pictures=len(self._prepared.learned),
                class_pictures=len(self._prepared.classes),
                resolution=self._prepared.resolution,
                buckets=self._prepared.buckets(),
                steps=trainer.steps,
                epochs=trainer.epochs,
                batch_size=self._request.optimization.train_batch_size,
                optimizer=trainer.plan.optimizer,
                learning_rate=rate,
                gradient_checkpointing=trainer.plan.gradient_checkpointing,
                trainable=self._network.size,
                memory=trainer.plan.estimate,
                start=trainer.step,
            )
        )

    def _report_step(self, result: StepResult) -> None:
        self._report(
            TrainingStep(
                step=result.step,
                steps=self._trainer.steps,
                loss=result.loss,
                smoothed=result.smoothed,
                learning_rate=result.learning_rate,
                seconds=result.seconds,
                memory=self._engine.device.memory().used,
            )
        )
