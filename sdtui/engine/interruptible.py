"""Cancelling within a stage: between the blocks of a model's components, and between the tensors
that are loaded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import nn
from torch.overrides import TorchFunctionMode

from sdtui.engine.loaded import LoadedModel


class Stopped(BaseException):
    """Ends the call of a pipeline for an error. Not an Exception: some pipelines log those with all
    their frames."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


@contextmanager
def interruptible(model: LoadedModel | None, check: Callable[[], None]) -> Iterator[None]:
    """Call `check`, which may raise to stop, before each block of a model's components while the
    context is open: a step of a large model takes minutes on a CPU. Compiled models have no blocks
    to hook: they would be compiled again."""

    def before_block(*_: Any) -> None:
        stop_if_raised_by(check)

    with ExitStack() as stack, _stopped():
        if model is not None and not model.speedups.compiled:
            for part in model.pipeline.components.values():
                for block in blocks_of(part) if isinstance(part, nn.Module) else ():
                    stack.callback(block.register_forward_pre_hook(before_block).remove)
        yield


@contextmanager
def interruptible_loading(check: Callable[[], None]) -> Iterator[None]:
    """Call `check`, which may raise to stop, before each call of torch while the context is open:
    there are several for each tensor that is loaded."""
    with _stopped(), _BeforeCalls(check):
        yield


class _BeforeCalls(TorchFunctionMode):
    """Calls a check before each call of torch on this thread, until it has raised: what cleans up
    behind the error may call torch, too."""

    def __init__(self, check: Callable[[], None]) -> None:
        super().__init__()
        self._check = check
        self._has_stopped = False

    def __torch_function__(
        self, function: Any, _: Any, args: Any = (), kwargs: Any | None = None
    ) -> Any:
        if not self._has_stopped:
            try:
                stop_if_raised_by(self._check)
            except Stopped:
                self._has_stopped = True
                raise
        return function(*args, **(kwargs or {}))


def stop_if_raised_by(check: Callable[[], None]) -> None:
    """Call `check`; raise what it raises as Stopped, for one of the contexts above."""
    try:
        check()
    except Exception as error:
        raise Stopped(error) from error


@contextmanager
def _stopped() -> Iterator[None]:
    """Raise the error for which the context was stopped."""
    try:
        yield
        return
    except Stopped as stopped:
        error = stopped.error
    raise error  # outside of the handler: each would be the other's context


def blocks_of(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the modules that a component calls one after another: those in its outermost lists."""
    for child in module.children():
        if isinstance(child, nn.ModuleList):
            yield from child
        else:
            yield from blocks_of(child)
