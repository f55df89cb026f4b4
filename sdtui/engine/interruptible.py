"""Cancelling within a step: between the blocks of a model's components."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import nn

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
        try:
            check()
        except Exception as error:
            raise Stopped(error) from error

    with ExitStack() as stack:
        if model is not None and not model.speedups.compiled:
            for part in model.pipeline.components.values():
                for block in blocks_of(part) if isinstance(part, nn.Module) else ():
                    stack.callback(block.register_forward_pre_hook(before_block).remove)
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
