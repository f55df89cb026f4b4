"""The loop of a training: batches, gradients, steps."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from sdtui.core.errors import OutOfMemoryError, TrainingError
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.memory.oom import OOM_CANDIDATES, is_out_of_memory
from sdtui.requests.training.optimization import Optimizer
from sdtui.requests.training.request import TrainingRequest
from sdtui.training.batches import Batches, Shown
from sdtui.training.checkpoint import Checkpoint
from sdtui.training.conditions import CaptionEncoder, size_conditions
from sdtui.training.network import TrainedNetwork
from sdtui.training.objective import Batch, batch_loss, draw_noise, training_scheduler
from sdtui.training.optimizers import learning_rates, make_optimizer, rate_factor
from sdtui.training.plan import MemoryPlan
from sdtui.training.processes import Processes

_SMOOTHING = 0.98
"""The share of the old mean in the new one, as in TensorBoard's usual plots."""


@dataclass(frozen=True)
class StepResult:
    """What a step has done."""

    step: int
    """From 1."""
    loss: float
    smoothed: float
    learning_rate: float
    seconds: float


class Trainer:
    """Trains a LoRA, step by step."""

    def __init__(
        self,
        request: TrainingRequest,
        model: LoadedModel,
        network: TrainedNetwork,
        captions: CaptionEncoder,
        learned: Batches,
        classes: Batches | None,
        plan: MemoryPlan,
        steps: int,
        processes: Processes,
    ) -> None:
        """`classes` has as many pictures in a batch as `learned`."""
        self._processes = processes
        self._request = request
        self._model = model
        self._network = network
        self._captions = captions
        self._learned = learned
        self._classes = classes
        self.plan = plan
        self.steps = steps
        self.step = 0
        """Steps that are done."""
        self._smoothed = 0.0
        self._unet: Any = model.pipeline.unet
        self._scheduler = training_scheduler(model.pipeline)
        self._timesteps = int(self._scheduler.config.num_train_timesteps)
        self._optimizer, self._rates = self._optimizer_of(plan.optimizer)
        network.use_checkpointing(is_on=plan.gradient_checkpointing)

    @property
    def batches_in_epoch(self) -> int:
        """Number of batches that show all pictures once."""
        return self._learned.in_epoch

    @property
    def epochs(self) -> float:
        """How often all pictures are shown."""
        accumulated = self._request.optimization.gradient_accumulation_steps
        return self.steps * accumulated / self.batches_in_epoch

    @property
    def prediction_type(self) -> str:
        """What the model predicts: "epsilon" or "v_prediction"."""
        return str(self._scheduler.config.prediction_type)

    def advance(self) -> StepResult:
        """Make one step with the other processes. Raises OutOfMemoryError in all of them if memory
        runs out in one; then nothing has changed, and the step can be made again. Raises
        TrainingError before anything has changed if the loss or a gradient isn't a number."""
        started = time.perf_counter()
        try:
            loss = self._backward_together()
            self._limit_gradients(loss)
            self._optimizer.step()
        finally:
            self._optimizer.zero_grad(set_to_none=True)
        rate = self._rates.get_last_lr()[0]
        self._rates.step()
        self.step += 1
        self._smoothed = self._mean(loss)
        return StepResult(self.step, loss, self._shown_mean(), rate, time.perf_counter() - started)

    def use_less_memory(self, plan: MemoryPlan) -> None:
        """Go on with another plan of the same optimizer."""
        self._network.use_checkpointing(is_on=plan.gradient_checkpointing)
        self.plan = plan

    def checkpoint(self) -> Checkpoint:
        """Return the state after the last step."""
        return Checkpoint(
            self.step, self._network.tensors(), self._optimizer.state_dict(), self._smoothed
        )

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on after a step of an earlier training. Raises KeyError, ValueError or RuntimeError if
        it was another training's."""
        self._network.restore(checkpoint.tensors)
        self._optimizer.load_state_dict(dict(checkpoint.optimizer))
        self.step, self._smoothed = checkpoint.step, checkpoint.smoothed_loss
        self._rates = self._rates_of(self._optimizer)

    def _backward_together(self) -> float:
        """Compute the gradients of a step, each process its share; return the loss."""
        accumulated = self._request.optimization.gradient_accumulation_steps
        loss, failure = 0.0, ""
        try:
            for number in range(self.step * accumulated, (self.step + 1) * accumulated):
                loss += self._backward(number, 1 / accumulated)
            gradients = self._gradients()
            values = self._processes.joined(gradients)
        except OOM_CANDIDATES as error:
            if not is_out_of_memory(error):
                raise
            failure = str(error) or type(error).__name__
        if self._processes.highest(float(failure != "")):
            raise OutOfMemoryError(
                failure or "memory ran out in another process",
                "Take a smaller --resolution or --rank, or close what else uses the memory",
                stage="denoise",
            )
        self._processes.add(values, gradients)
        return self._processes.total(loss)

    def _gradients(self) -> list[torch.Tensor]:
        """Return all gradients; 0 where this process had no picture."""
        for each in self._parameters():
            if each.grad is None:
                each.grad = torch.zeros_like(each)
        return [each.grad for each in self._parameters() if each.grad is not None]

    def _parameters(self) -> list[torch.nn.Parameter]:
        return [each for group in self._optimizer.param_groups for each in group["params"]]

    def _backward(self, number: int, share: float) -> float:
        """Add the gradients of a batch, and of one of the class; return its loss. `share` is how
        much it counts."""
        loss = self._add_gradients(self._learned[number], number, "learned", share)
        if self._classes is not None:
            weight = self._request.data.prior_loss_weight * share
            loss += self._add_gradients(self._classes[number], number, "class", weight)
        return loss

    def _add_gradients(
        self, shown: Sequence[Shown], number: int, kind: str, weight: float
    ) -> float:
        """Compute this process's share of a batch in as many pieces as the plan says."""
        total = 0.0
        options = self._request.optimization
        own = self._processes.share(len(shown))
        size = max(1, -(-len(own) // self.plan.pieces))
        for start in range(0, len(own), size):
            piece = own[start : start + size]
            batch = self._batch([shown[index] for index in piece])
            generators = [_generator(self._request.seed, number, kind, index) for index in piece]
            noise = draw_noise(batch.latents, self._timesteps, options.noise_offset, generators)
            loss = batch_loss(self._unet, self._scheduler, batch, noise, options.snr_gamma)
            loss = loss * (weight * len(piece) / len(shown))
            loss.backward()
            total += loss.item()
        return total

    def _batch(self, shown: Sequence[Shown]) -> Batch:
        device, dtype = self._model.execution_device, self._unet.dtype
        latents = torch.stack([each.prepared.latents(flipped=each.flipped) for each in shown])
        text, pooled = self._captions.encode([each.caption for each in shown])
        added = {}
        if pooled is not None:
            sizes = [(each.prepared.picture.size, each.prepared.crop) for each in shown]
            ids = size_conditions(sizes, device, dtype)
            added = {"text_embeds": pooled.to(dtype), "time_ids": ids}
        return Batch(latents.to(device, dtype), text.to(dtype), added)

    def _limit_gradients(self, loss: float) -> None:
        """Scale the gradients to the limit. Raises TrainingError if they are infinite or no
        numbers."""
        limit = self._request.optimization.max_grad_norm or math.inf
        norm = torch.nn.utils.clip_grad_norm_(self._parameters(), limit).item()
        if not (math.isfinite(loss) and math.isfinite(norm)):
            rate = self._rates.get_last_lr()[0]
            raise TrainingError(
                f"the training has diverged in step {self.step + 1}: its loss is {loss:g}, and the"
                f" norm of its gradients {norm:g}, at a learning rate of {rate:.2g}",
                "Begin it --anew with a lower --lr or, if the model is in float16, --dtype bfloat16"
                " or float32; checkpoints that were written stay",
            )

    def _optimizer_of(self, kind: Optimizer) -> tuple[torch.optim.Optimizer, Any]:
        of_unet, of_text = learning_rates(self._request.optimization, kind)
        groups = [{"params": self._network.parameters(of_text_encoders=False), "lr": of_unet}]
        if encoders := self._network.parameters(of_text_encoders=True):
            groups.append({"params": encoders, "lr": of_text})
        optimizer = make_optimizer(kind, groups)
        return optimizer, self._rates_of(optimizer)

    def _rates_of(self, optimizer: torch.optim.Optimizer) -> Any:
        """Return the schedule of learning rates from the current step on."""
        options = self._request.optimization
        factor = rate_factor(options.lr_scheduler, options.lr_warmup_steps, self.steps)
        done = self.step
        of_unet, of_text = learning_rates(options, self.plan.optimizer)
        for group, rate in zip(optimizer.param_groups, (of_unet, of_text), strict=False):
            group["lr"] = rate
            group.pop("initial_lr", None)
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: factor(done + step))

    def _mean(self, loss: float) -> float:
        return _SMOOTHING * self._smoothed + (1 - _SMOOTHING) * loss

    def _shown_mean(self) -> float:
        """The mean without its beginning at 0."""
        return self._smoothed / (1 - _SMOOTHING**self.step)


def _generator(*parts: object) -> torch.Generator:
    """Return a generator that depends on all parts. torch's on the CPU take 32 bits of a seed."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:4], "little"))
