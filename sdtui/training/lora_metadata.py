"""What a trained LoRA's file says of itself: kohya's `ss_…` and ModelSpec's `modelspec.…` keys."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sdtui import __version__
from sdtui.engine.loaded import LoadedModel
from sdtui.requests.training.network import LoraTargets
from sdtui.requests.training.request import TrainingRequest
from sdtui.training.dataset import Dataset

_BASE_VERSIONS = {"sd1": "sd_v1", "sd2": "sd_v2", "sdxl": "sdxl_base_v1-0"}
_ARCHITECTURES = {
    "sd1": "stable-diffusion-v1",
    "sd2": "stable-diffusion-v2-512",
    "sdxl": "stable-diffusion-xl-v1-base",
}
_VELOCITY_SD2 = "stable-diffusion-v2-768-v"
_IMPLEMENTATIONS = {"sdxl": "https://github.com/Stability-AI/generative-models"}
_DIFFUSERS = "diffusers"
_SPEC_VERSION = "1.0.1"


@dataclass(frozen=True)
class TrainingFacts:
    """What is known of a training besides its request."""

    resolution: int
    """Pixels."""
    batch_size: int
    learning_rate: float
    text_encoder_rate: float | None
    optimizer: str
    steps: int
    """All steps of the training."""
    batches_in_epoch: int
    prediction_type: str
    started: float
    """Seconds since the epoch."""


def lora_metadata(
    request: TrainingRequest,
    model: LoadedModel,
    dataset: Dataset,
    facts: TrainingFacts,
    step: int,
) -> dict[str, Any]:
    """Return the metadata of the LoRA after a step, values as they are. The names and values are
    those of kohya's `train_network.py` and of ModelSpec 1.0.1 (Stability-AI/ModelSpec)."""
    return {
        **_kohya(request, model, dataset, facts, step),
        **_modelspec(request, model, facts),
    }


def _kohya(
    request: TrainingRequest,
    model: LoadedModel,
    dataset: Dataset,
    facts: TrainingFacts,
    step: int,
) -> dict[str, Any]:
    family = model.description.family
    has_convolutions = request.network.targets is LoraTargets.CONV
    shape = {"conv_dim": str(request.network.rank), "conv_alpha": str(request.alpha)}
    return {
        "ss_sd_scripts_commit_hash": None,
        "ss_session_id": request.seed,
        "ss_training_started_at": facts.started,
        "ss_training_finished_at": time.time(),
        "ss_output_name": request.output_name,
        "ss_training_comment": f"sdtui {__version__}",
        "ss_network_module": "networks.lora",
        "ss_network_dim": request.network.rank,
        "ss_network_alpha": request.alpha,
        "ss_network_args": shape if has_convolutions else {},
        "ss_base_model_version": _BASE_VERSIONS.get(family, family),
        "ss_v2": family == "sd2",
        "ss_sd_model_name": model.source.name,
        "ss_new_sd_model_hash": model.record.hash,
        "ss_vae_name": None,
        "ss_clip_skip": None,
        "ss_mixed_precision": {"bfloat16": "bf16", "float16": "fp16"}.get(model.dtype, "no"),
        "ss_seed": request.seed,
        **_data(request, dataset, facts),
        **_optimization(request, facts, step),
    }


def _data(request: TrainingRequest, dataset: Dataset, facts: TrainingFacts) -> dict[str, Any]:
    data = request.data
    return {
        "ss_num_train_images": dataset.shown_in_epoch,
        "ss_num_reg_images": len(dataset.class_pictures),
        "ss_prior_loss_weight": data.prior_loss_weight,
        "ss_resolution": str((facts.resolution, facts.resolution)),
        "ss_enable_bucket": data.enable_bucket,
        "ss_shuffle_caption": data.shuffle_caption,
        "ss_keep_tokens": data.keep_tokens,
        "ss_caption_dropout_rate": data.caption_dropout_rate,
        "ss_flip_aug": data.random_flip,
        "ss_cache_latents": True,
        "ss_tag_frequency": dataset.tag_frequency(),
        "ss_dataset_dirs": {
            name: {"n_repeats": repeats, "img_count": count}
            for name, (repeats, count) in dataset.folders().items()
        },
    }


def _optimization(request: TrainingRequest, facts: TrainingFacts, step: int) -> dict[str, Any]:
    options = request.optimization
    accumulated, in_epoch = options.gradient_accumulation_steps, facts.batches_in_epoch
    return {
        "ss_num_batches_per_epoch": in_epoch,
        "ss_num_epochs": -(-facts.steps * accumulated // in_epoch),
        "ss_epoch": step * accumulated // in_epoch,
        "ss_steps": step,
        "ss_max_train_steps": facts.steps,
        "ss_batch_size_per_device": facts.batch_size,
        "ss_total_batch_size": facts.batch_size * accumulated,
        "ss_gradient_accumulation_steps": accumulated,
        "ss_gradient_checkpointing": request.execution.gradient_checkpointing,
        "ss_learning_rate": facts.learning_rate,
        "ss_unet_lr": facts.learning_rate,
        "ss_text_encoder_lr": facts.text_encoder_rate,
        "ss_optimizer": facts.optimizer,
        "ss_lr_scheduler": options.lr_scheduler,
        "ss_lr_warmup_steps": options.lr_warmup_steps,
        "ss_max_grad_norm": options.max_grad_norm,
        "ss_min_snr_gamma": options.snr_gamma,
        "ss_noise_offset": options.noise_offset or None,
    }


def _modelspec(
    request: TrainingRequest, model: LoadedModel, facts: TrainingFacts
) -> dict[str, Any]:
    family = model.description.family
    is_velocity = facts.prediction_type == "v_prediction"
    architecture = _ARCHITECTURES.get(family, family)
    if family == "sd2" and is_velocity:
        architecture = _VELOCITY_SD2
    trigger = {"modelspec.trigger_phrase": request.data.instance_prompt}
    return {
        "modelspec.sai_model_spec": _SPEC_VERSION,
        "modelspec.architecture": f"{architecture}/lora",
        "modelspec.implementation": _IMPLEMENTATIONS.get(family, _DIFFUSERS),
        "modelspec.title": request.output_name,
        "modelspec.date": datetime.now(UTC).isoformat(timespec="seconds"),
        "modelspec.resolution": f"{facts.resolution}x{facts.resolution}",
        "modelspec.prediction_type": "v" if is_velocity else "epsilon",
        **(trigger if request.data.instance_prompt else {}),
    }
