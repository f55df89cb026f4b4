"""DeepCache (Ma et al. 2023): a UNet's deep features, which change little from step to step and
cost most of the computing, are used for more than one step."""

from __future__ import annotations

from typing import Any

from diffusers.hooks.hooks import HookRegistry, ModelHook
from torch import nn

_NAME = "sdtui_reuse"


class DeepCache:
    """Lets a UNet's deep blocks compute in every `interval`-th forward pass only, and return the
    same in between. The outermost blocks compute in every one."""

    def __init__(self, unet: Any, interval: int) -> None:
        """`unet` needs at least two blocks on each side: see `has_deep_blocks`."""
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
        """True if the current forward pass computes everything."""
        return (self._passes - 1) % self._interval == 0

    def begin_pass(self) -> None:
        """Called before the UNet runs."""
        self._passes += 1

    def restart(self) -> None:
        """Drop the features, so that the next forward pass computes everything. Call it before and
        after each denoising."""
        self._passes = 0
        for hook in self._hooks:
            hook.kept = None


def has_deep_blocks(denoiser: Any) -> bool:
    """True if a denoiser is a UNet that `DeepCache` can work on."""
    return all(len(getattr(denoiser, name, ())) > 1 for name in ("down_blocks", "up_blocks"))


class _Count(ModelHook):
    """On the UNet itself."""

    def __init__(self, reuse: DeepCache) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._reuse = reuse

    def pre_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        self._reuse.begin_pass()
        return args, kwargs


class _Reuse(ModelHook):
    """On a deep block."""

    def __init__(self, reuse: DeepCache) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._reuse = reuse
        self.kept: Any = None

    def new_forward(self, _: nn.Module, *args: Any, **kwargs: Any) -> Any:
        if self._reuse.fresh or self.kept is None:
            reference: Any = self.fn_ref
            self.kept = reference.original_forward(*args, **kwargs)
        return self.kept


def _register(module: nn.Module, hook: ModelHook) -> None:
    HookRegistry.check_if_exists_or_initialize(module).register_hook(hook, _NAME)
