"""The options of `sdtui serve`."""

from __future__ import annotations

import ipaddress
import math
import re
from dataclasses import dataclass

from sdtui.core.errors import SettingsError

PREFIX = re.compile(r"(/[\w~-][\w.~-]*)*", re.ASCII)
"""A path prefix without a slash at its end. "//name" would lead browsers to another host."""
DEFAULT_PORT = 7860
"""The port of A1111, where its clients expect a server."""


@dataclass(frozen=True)
class ServerOptions:
    """The options of one server; `check` says whether they are safe together."""

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    api_key: str | None = None
    no_auth: bool = False
    """Serve without a key on a public address."""
    cors: tuple[str, ...] = ()
    """Origins whose web pages may use the server."""
    queue_limit: int = 16
    """Most waiting jobs."""
    grace: float = 30.0
    """Seconds that the running picture has to finish at shutdown."""
    max_body: int = 32 * 2**20
    """Most bytes of a request body."""
    max_pixels: int = 2048 * 2048
    """Most pixels (width times height) of a requested picture."""
    max_pictures: int = 16
    """Most pictures of a job."""
    max_upload_pixels: int = 32_000_000
    """Most pixels (width times height) of an uploaded picture."""
    root_path: str = ""
    """Path prefix under which a reverse proxy serves this server, e.g. "/sd"."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses and networks of proxies whose X-Forwarded headers are believed; "*" = all."""
    allow_downloads: bool = False
    """True if requests may name any model of the hub, which is then downloaded."""

    @property
    def is_loopback(self) -> bool:
        """True if only this machine can reach the address."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def check(self) -> None:
        """Raise SettingsError for wrong values, and for a public server without a key."""
        if not math.isfinite(self.grace):
            raise SettingsError("the grace must be a number of seconds", "Give one with --grace")
        if not PREFIX.fullmatch(self.root_path):
            raise SettingsError(
                f'"{self.root_path}" is not the prefix of a path',
                "Give one like /sd with --root-path",
            )
        if not self.is_loopback and not self.api_key and not self.no_auth:
            raise SettingsError(
                f"without an API key everyone who reaches {self.host} could use this server",
                "Set SDTUI_API_KEY or --api-key-file, or say --no-auth if that is what you want",
            )
