"""The VAE, which turns latents into pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from sdtui.core.fields import FieldSpec, Section

OWN_VAE = "none"
"""The VAE inside the model, also where there is one beside it."""

_LEFT_OPEN = ("", "automatic", "auto", "default")
"""What other tools call no choice, in lower case."""


def _vae_name(name: str) -> str | None:
    plain = name.strip()
    if plain.lower() in _LEFT_OPEN:
        return None
    return OWN_VAE if plain.lower() == OWN_VAE else plain


@dataclass(frozen=True)
class Vae(Section):
    """Which VAE is used."""

    vae: Annotated[
        str | None,
        FieldSpec(
            label="VAE",
            help="The name of a VAE or its .safetensors file; none = the one inside the model. Left"
            " open, it is NAME.vae.safetensors beside a checkpoint, else the one inside.",
            check=_vae_name,
            max_length=4000,
            widget="names",
            group="Model",
            metavar="NAME",
            a1111_option="sd_vae",
            a1111_names={OWN_VAE: "None"},
            openai="vae",
            search=("vae",),
            infotext="VAE",
            aliases=("vae", "sd vae", "vae model", "use vae model"),
        ),
    ] = None
