"""What a stage needs of a model that is loaded in parts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sdtui.engine.families import family_of
from sdtui.engine.features.active import ActiveFeatures
from sdtui.engine.loaded import LoadedModel
from sdtui.requests.record import Stage


@contextmanager
def needed_parts(model: LoadedModel, stage: Stage, features: ActiveFeatures) -> Iterator[None]:
    """Have the parts of a model that a stage needs in memory, changed by the features that apply
    to them. Does nothing for a model that is there as a whole: the run has applied them."""
    if model.parts is None:
        yield
        return
    model.need_parts(family_of(model.description).components(model.description, stage))
    with features.applied(model, stage):
        yield
