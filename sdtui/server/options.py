"""What `sdtui serve` can be told."""

from __future__ import annotations

import ipaddress
import math
from dataclasses import dataclass

from sdtui.core.errors import SettingsError

DEFAULT_PORT = 7860
"""The port of A1111, so that its clients find this server without being told."""


@dataclass(frozen=True)
class ServerOptions:
    """The options of one server. `check` says whether they are safe together."""

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    api_key: str | None = None
    no_auth: bool = False
    """Serve without a key on an address that others reach."""
    cors: tuple[str, ...] = ()
    """Origins whose pages may call this server."""
    queue_limit: int = 16
    """Jobs that may wait."""
    grace: float = 30.0
    """Seconds that the running picture gets to end when the server is told to."""
    max_body: int = 32 * 2**20
    """Bytes of a request's body."""
    max_pixels: int = 2048 * 2048
    """Width times height that may be asked for."""
    max_pictures: int = 16
    """Pictures of one job."""
    max_upload_pixels: int = 32_000_000
    """Width times height of a picture that comes with a request."""
    allow_downloads: bool = False
    """Whether a request may name any model of the hub, which is then fetched."""

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the address."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def check(self) -> None:
        """Raises SettingsError if anyone on the network could use the server, or for what is no
        value."""
        if not math.isfinite(self.grace):
            raise SettingsError("the grace must be a number of seconds", "Give one with --grace")
        if not self.is_loopback and not self.api_key and not self.no_auth:
            raise SettingsError(
                f"without an API key everyone who reaches {self.host} could use this server",
                "Set SDTUI_API_KEY or --api-key-file, or say --no-auth if that is what you want",
            )
