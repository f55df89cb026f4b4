"""What pipelines and schedulers raise about values that they don't accept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sdtui.core.errors import UnsupportedModelError
from sdtui.core.text import one_line
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.resolved_request import ResolvedRequest


@contextmanager
def refusals(model: LoadedModel, request: ResolvedRequest) -> Iterator[None]:
    """Convert what pipelines and schedulers raise about values that they don't accept."""
    try:
        yield
    except (ValueError, NotImplementedError) as error:
        raise _refused(model, error, "Change the values that it names") from error
    except (TypeError, AttributeError) as error:
        # Some pipelines don't check which schedulers they can work with.
        if request.sampler is None or model.description.is_stable_diffusion:
            raise
        raise _refused(model, error, "Leave the sampler open") from error


def _refused(model: LoadedModel, error: Exception, hint: str) -> UnsupportedModelError:
    problem = f"{model.source.name} can't be used like this: {one_line(str(error))[:300]}"
    return UnsupportedModelError(problem, f"{hint}, or use another model")
