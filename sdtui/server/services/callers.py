"""Who makes a request, and what it may do."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import HTTPConnection

from sdtui.core.errors import ForbiddenError


class Permission(StrEnum):
    """What a key may do besides making pictures and looking at them."""

    DELETE = "delete"
    """Delete its own pictures."""
    LOAD = "load"
    """Load and unload models without a job."""
    DOWNLOAD = "download"
    """Download models, where the server allows it at all."""
    METRICS = "metrics"
    """Read the metrics of the whole server."""


_ACTIONS = {
    Permission.DELETE: "delete pictures",
    Permission.LOAD: "load or unload models",
    Permission.DOWNLOAD: "download models",
    Permission.METRICS: "read the metrics",
}


class Limits(BaseModel):
    """How much an API key may ask for; None = no limit besides those of the server."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True
    )

    rate: float | None = Field(None, gt=0, le=100_000, allow_inf_nan=False)
    """Jobs a minute. Each picture of a grid is a job."""
    jobs: int | None = Field(None, ge=1)
    """Jobs that wait or run. Those of a grid count as one."""
    pictures: int | None = Field(None, ge=1)
    """Pictures of all jobs that wait or run."""
    max_pixels: int | None = Field(None, ge=64 * 64)
    """Width times height of a picture, with hires and upscaling."""
    max_work: float | None = Field(None, gt=0, allow_inf_nan=False)
    """Megapixels times steps of a job, over all passes and pictures."""
    max_pictures: int | None = Field(None, ge=1)
    """Pictures of a job."""
    max_grid: int | None = Field(None, ge=1)
    """Pictures of a grid."""
    models: tuple[str, ...] | None = Field(None, min_length=1, strict=False)
    """The names of the models that it may use."""


@dataclass(frozen=True)
class Caller:
    """Who makes a request, as far as the server knows."""

    name: str
    """The name of the API key; where keys have no names, the client's address."""
    owner: str = ""
    """The name of the API key, which pictures and jobs keep; empty where keys have no names."""
    is_admin: bool = True
    """True if it sees the pictures and jobs of all others and may do everything."""
    may: Collection[Permission] = frozenset()
    limits: Limits = field(default_factory=Limits)
    key: bytes = field(default=b"", repr=False)
    """The SHA-256 of its API key; empty without one."""

    def sees(self, owner: str) -> bool:
        """True if it sees the pictures and jobs of an owner."""
        return self.is_admin or owner == self.owner

    def has(self, permission: Permission) -> bool:
        """True if it has a permission."""
        return self.is_admin or permission in self.may

    def check(self, permission: Permission) -> None:
        """Raise ForbiddenError without this permission."""
        if not self.has(permission):
            raise forbidden(_ACTIONS[permission])

    def check_admin(self, action: str) -> None:
        """Raise ForbiddenError unless it is an admin. `action` is what was asked for."""
        if not self.is_admin:
            raise forbidden(action)


def forbidden(action: str) -> ForbiddenError:
    """Return the error for a caller that may not do something."""
    return ForbiddenError(f"this API key may not {action}", "Ask the operator of the server")


def caller_of(http: HTTPConnection) -> Caller:
    """Return the caller of a request, which AuthMiddleware sets."""
    caller = http.state.caller
    assert isinstance(caller, Caller)
    return caller
