"""VAE choice: another VAE than the one inside the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from sdtui.core.settings import Settings
from sdtui.engine.features.feature import Feature
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.passes import Pass
from sdtui.engine.vae_choice import use_vae
from sdtui.models import ModelDescription
from sdtui.models.ignored import takes_field
from sdtui.models.vaes import VaeFile, find_vae, sidecar_vae
from sdtui.requests.record import Stage
from sdtui.requests.request import GenerationRequest
from sdtui.requests.sections.vae import OWN_VAE


@dataclass(frozen=True)
class UsedVae:
    """The VAE of a run."""

    file: VaeFile | None = None
    """None = the one inside the model."""


class VaeChoice(Feature[UsedVae]):
    """Copies the weights of another VAE into the loaded model. They stay until a run has others."""

    name = "vae"
    stages = frozenset({Stage.PREPARE, Stage.DECODE})
    fields = ("vae",)

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def open(self, request: GenerationRequest) -> UsedVae | None:
        """Find the file. Raises the errors of `find_vae`."""
        name = request.vae.vae
        if name is None or name == OWN_VAE:
            return None if name is None else UsedVae()
        return UsedVae(find_vae(name, self._settings))

    def check(self, section: UsedVae, description: ModelDescription) -> None:
        """Raise UnsupportedModelError for a VAE of another architecture."""
        if section.file is not None and self.supports(section, description):
            section.file.check_fits(description)

    def native(self, description: ModelDescription) -> UsedVae | None:
        """Return the VAE beside a checkpoint."""
        sidecar = sidecar_vae(description.path) if description.single_file else None
        return None if sidecar is None else UsedVae(sidecar)

    def supports(self, section: UsedVae, description: ModelDescription) -> bool:
        """True if the model can have another VAE."""
        return takes_field(description, "vae")

    def embedding_key(self, section: UsedVae, pass_: Pass) -> None:
        """Return None: the prompts are encoded as ever."""

    @contextmanager
    def apply(self, section: UsedVae, model: LoadedModel) -> Iterator[None]:
        """Use the VAE, unless it is used already."""
        use_vae(model, section.file.path if section.file else None)
        yield

    def reset(self, model: LoadedModel) -> None:
        """Give the model its own VAE back."""
        use_vae(model, None)

    def settings(self, section: UsedVae) -> Mapping[str, object]:
        """Return the file and its hash for the record."""
        if section.file is None:
            return {"vae": OWN_VAE}
        return {"vae": section.file.name, "vae_hash": section.file.sha256}
