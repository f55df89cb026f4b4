"""DeepCache (Ma et al. 2023): a UNet's deep features, which change little from step to step and
take most of the computation, are reused for several steps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from diffusers.hooks.hooks import HookRegistry, ModelHook
from torch import nn

from sdtui.engine.speed.reuse import Reuse

_NAME = "sdtui_reuse"


class DeepCache(Reuse):
    """Lets a UNet's deep blocks compute only in every `interval`-th forward pass and return their
    previous output in between. The outermost blocks compute in every pass."""

    kind = "deep features"

    def __init__(self, unet: Any, interval: int) -> None:
        """`unet` needs at least two blocks on each side, see `has_deep_blocks`."""
        super().__init__(f"deep features for {interval} steps")
        self._interval = interval
        self._passes = 0
        self._hooks: list[_Reuse] = []
        _register(unet, _Count(self))
        for block in (*unet.down_blocks[1:], unet.mid_block, *unet.up_blocks[:-1]):
            if block is not None:
                hook = _Reuse(self)
                _register(block, hook)
                self._hooks.append(hook)

    @property
    def fresh(self) -> bool:
        """True if the current forward pass computes all blocks."""
        return (self._passes - 1) % self._interval == 0

    def begin_pass(self) -> None:
        """Called before each forward pass of the UNet."""
        self._passes += 1

    @property
    def output(self) -> Any:
        """What the last of the deep blocks gave to the outermost ones; None if nothing is kept."""
        return self._hooks[-1].output

    @output.setter
    def output(self, output: Any) -> None:
        self._hooks[-1].output = output

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Open a context in which passes don't count, and after which everything is as before."""
        passes, outputs = self._passes, [hook.output for hook in self._hooks]
        try:
            yield
        finally:
            self._passes = passes
            for hook, output in zip(self._hooks, outputs, strict=True):
                hook.output = output

    def reuse_next(self, output: Any) -> None:
        """Let the next pass take `output` as what the last of the deep blocks gives, if all of them
        have computed before."""
        self._passes = 1
        self.output = output

    @property
    def reuses(self) -> bool:
        return not self.fresh

    def restart(self) -> None:
        """Drop the features, so that the next forward pass computes all blocks."""
        self._passes = 0
        for hook in self._hooks:
            hook.output = None


def has_deep_blocks(denoiser: Any) -> bool:
    """True if a denoiser is a UNet that `DeepCache` supports."""
    return all(len(getattr(denoiser, name, ())) > 1 for name in ("down_blocks", "up_blocks"))


class _Count(ModelHook):
    """The hook of the UNet itself."""

    def __init__(self, reuse: DeepCache) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._reuse = reuse

    def pre_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        self._reuse.begin_pass()
        return args, kwargs


class _Reuse(ModelHook):
    """The hook of a deep block."""

    def __init__(self, reuse: DeepCache) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._reuse = reuse
        self.output: Any = None

    def new_forward(self, _: nn.Module, *args: Any, **kwargs: Any) -> Any:
        if self._reuse.fresh or self.output is None:
            reference: Any = self.fn_ref
            self.output = reference.original_forward(*args, **kwargs)
        return self.output


def _register(module: nn.Module, hook: ModelHook) -> None:
    HookRegistry.check_if_exists_or_initialize(module).register_hook(hook, _NAME)
