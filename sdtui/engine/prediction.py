"""How a model of SD 2.x predicts noise, shown by its weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from sdtui.models import ModelDescription, describe_model
from sdtui.models.own_values import own_file

_V_BELOW = -1.0
"""The limit of A1111 (modules/sd_models_config.py), whose test this is."""


def shown_prediction(unet: Any) -> str:
    """Return "v_prediction" or "epsilon", by what a UNet of SD 2.x makes of an even input at the
    last timestep: the noise that it is taken for, or something far from it."""
    parameter = next(unet.parameters())
    options: dict[str, Any] = {"dtype": parameter.dtype, "device": parameter.device}
    latents = torch.full((1, unet.config.in_channels, 8, 8), 0.5, **options)
    text = torch.full((1, 2, unet.config.cross_attention_dim), 0.5, **options)
    with torch.no_grad():
        predicted = unet(latents, 999, encoder_hidden_states=text).sample
    # Inpainting models take more channels than they predict.
    taken = latents[:, : predicted.shape[1]]
    is_v = (predicted.float() - taken.float()).mean().item() < _V_BELOW
    return "v_prediction" if is_v else "epsilon"


def known_description(description: ModelDescription, scheduler: Any) -> ModelDescription:
    """Return the description of a loaded model, with the prediction type of its scheduler in place
    of a guess, and the size that belongs to it."""
    if not description.guessed_prediction:
        return description
    shown = str(scheduler.config.prediction_type)
    if shown == description.prediction_type:
        return description
    native = describe_model(description.path, shown_prediction=shown).native
    return replace(description, prediction_type=shown, native=native)


def guess_notice(description: ModelDescription) -> str:
    """Return what to tell the user about a prediction type that nothing but the weights shows."""
    own = own_file(description.path).name
    return (
        f"{description.name} doesn't say how it predicts noise; its weights show "
        f"{description.prediction_type}. If its pictures are wrong, a file {own} beside it can say "
        f'otherwise, for example {{"prediction_type": "epsilon"}}'
    )
