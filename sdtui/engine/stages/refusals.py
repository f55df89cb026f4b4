"""What pipelines and schedulers raise about values that they don't accept."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from traceback import walk_tb

from sdtui.core.errors import UnsupportedModelError
from sdtui.core.text import one_line
from sdtui.engine.loaded import LoadedModel
from sdtui.engine.memory.oom import is_out_of_memory
from sdtui.engine.resolved_request import ResolvedRequest


@contextmanager
def refusals(model: LoadedModel, request: ResolvedRequest) -> Iterator[None]:
    """Convert what pipelines and schedulers raise about values that they don't accept."""
    try:
        yield
    except (ValueError, NotImplementedError) as error:
        raise _refused(model, error, "Change the values that it names") from error
    except (TypeError, AttributeError, LookupError, RuntimeError, AssertionError) as error:
        # Most pipelines check neither which schedulers nor which parts they can work with.
        if model.description.is_stable_diffusion or is_out_of_memory(error) or _is_own(error):
            raise
        hint = "Leave the sampler open" if request.sampler else "See the log for the whole error"
        raise _refused(model, error, hint) from error


def _is_own(error: BaseException) -> bool:
    """Return whether an error was raised by sdtui's own code, not by a library."""
    frames = list(walk_tb(error.__traceback__))
    return not frames or frames[-1][0].f_globals.get("__name__", "").startswith("sdtui.")


def _refused(model: LoadedModel, error: Exception, hint: str) -> UnsupportedModelError:
    text = one_line(str(error))[:300] or type(error).__name__
    problem = f"{model.source.name} can't be used like this: {text}"
    return UnsupportedModelError(problem, f"{hint}, or use another model")
