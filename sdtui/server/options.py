"""The options of `sdtui serve`."""

from __future__ import annotations

import ipaddress
import math
import re
from dataclasses import dataclass, field
from pathlib import Path

from sdtui.core.enums import Policy
from sdtui.core.errors import SettingsError
from sdtui.server.keep import Keep
from sdtui.server.scopes import without_default_port

PREFIX = re.compile(r"(/[\w~-][\w.~-]*)*", re.ASCII)
"""A path prefix without a slash at its end. "//name" would lead browsers to another host."""
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[\w.-]+)(:\d{1,5})?", re.ASCII)
_HOST = re.compile(r"[0-9a-f:.]*:[0-9a-f:.]*|[\w.-]+", re.ASCII)
_UNIX_PEER = re.compile(r"unix:\d{1,10}", re.ASCII)
DEFAULT_PORT = 7860
"""The port of A1111, where its clients expect a server."""


@dataclass(frozen=True)
class ServerOptions:
    """The options of one server; `check` says whether they are safe together."""

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    unix_socket: Path | None = None
    """Listen on this Unix socket in place of host and port."""
    api_key: str | None = None
    no_auth: bool = False
    """Serve without a key on a public address."""
    cors: tuple[str, ...] = ()
    """Origins whose web pages may use the server, as browsers write them; "*" = all."""
    queue_limit: int = 16
    """Most waiting jobs."""
    client_jobs: int | None = None
    """Most unfinished jobs of one client address; None = no limit."""
    grace: float = 30.0
    """Seconds that the running picture has to finish at shutdown."""
    max_body: int = 32 * 2**20
    """Most bytes of a request body."""
    max_pixels: int = 2048 * 2048
    """Most pixels (width times height) of a requested picture."""
    max_pictures: int = 16
    """Most pictures of a job."""
    max_grid: int = 100
    """Most pictures of a grid."""
    max_upload_pixels: int = 32_000_000
    """Most pixels (width times height) of an uploaded picture."""
    compatible_policy: Policy = Policy.STRICT
    """The retry policy of requests of A1111's and OpenAI's API that name none: their clients expect
    the picture that they asked for, or an error."""
    root_path: str = ""
    """Path prefix under which a reverse proxy serves this server, e.g. "/sd"."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses and networks of proxies whose headers are believed; "*" = all."""
    allowed_hosts: tuple[str, ...] = ()
    """Further names of the server in lower case, for requests without a key; "*" = all."""
    job_timeout: float | None = None
    """Seconds after which a running job is cancelled."""
    stall_timeout: float = 1800.0
    """Seconds without a step or stage after which a worker is taken to hang."""
    keep: Keep = field(default_factory=Keep)
    """Which pictures are kept."""
    allow_downloads: bool = False
    """True if requests may name any model of the hub, which is then downloaded."""

    preload: bool = True
    """Load the default model at the start."""
    unload_after: float | None = None
    """Seconds without a job after which the model is unloaded."""
    end_after: float | None = None
    """Seconds without job and client after which the server ends."""
    state_folder: Path | None = None
    """The folder of uploads and queue; None = that of `sdtui serve`."""

    @property
    def own_user_only(self) -> bool:
        """True if only the user of this process may use the server: it has a Unix socket and no
        key."""
        return self.unix_socket is not None and self.api_key is None and not self.no_auth

    @property
    def is_loopback(self) -> bool:
        """True if only this machine can reach the address."""
        if self.unix_socket is not None:
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences on options that are allowed but dangerous together."""
        if self.api_key or "*" not in self.cors:
            return ()
        return (
            "--cors '*' without an API key: every page that someone on this network opens can "
            "make pictures here and read the history",
        )

    def check(self) -> None:
        """Raise SettingsError for wrong values, and for a public server without a key."""
        self._check_addresses()
        if not math.isfinite(self.grace):
            raise SettingsError("the grace must be a number of seconds", "Give one with --grace")
        for name, seconds in (
            ("--job-timeout", self.job_timeout),
            ("--stall-timeout", self.stall_timeout),
            ("--unload-after", self.unload_after),
        ):
            if seconds is not None and math.isnan(seconds):
                raise SettingsError(f"{name} must be a number of seconds", "Give one like 600")
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

    def _check_addresses(self) -> None:
        for origin in self.cors:
            scheme, _, host = origin.partition("://")
            is_usual = host == without_default_port(host, scheme) and _ORIGIN.fullmatch(origin)
            if origin not in ("*", "null") and not is_usual:
                raise SettingsError(
                    f'"{origin}" is not the origin of a page as browsers write it',
                    "Give scheme, host and port (unless it is the usual one) with --cors, such as "
                    "http://localhost:3000",
                )
        for proxy in self.trusted_proxies:
            is_named = proxy == "*" or _UNIX_PEER.fullmatch(proxy)
            if not is_named and (problem := _network_problem(proxy)):
                raise SettingsError(
                    f'"{proxy}" is not an address or network{problem}',
                    "Give one such as 127.0.0.1, 10.0.0.0/8 or unix:33 with --trusted-proxy",
                )
        for host in self.allowed_hosts:
            if host != "*" and not _HOST.fullmatch(host):
                raise SettingsError(
                    f'"{host}" is not the name of a host',
                    "Give it without scheme and port, such as pictures.example, with "
                    "--allowed-host",
                )


def _network_problem(network: str) -> str:
    """Why a text is not the address of a network; "" if it is one."""
    try:
        ipaddress.ip_network(network)
    except ValueError as error:
        return f" ({error})"
    return ""
