"""The options of `sdtui serve`."""

from __future__ import annotations

import ipaddress
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from sdtui.core import paths
from sdtui.core.enums import Policy
from sdtui.server.keep import Keep, parse_keep
from sdtui.server.option_specs import OptionError, OptionSpec
from sdtui.server.scopes import without_default_port

PREFIX = re.compile(r"(/[\w~-][\w.~-]*)*", re.ASCII)
"""A path prefix without a slash at its end. "//name" would lead browsers to another host."""
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[\w.-]+)(:\d{1,5})?", re.ASCII)
_HOST = re.compile(r"[0-9a-f:.]*:[0-9a-f:.]*|[\w.-]+", re.ASCII)
_NAMED_HOST = re.compile(r"([\w-]+\.)*(?!\d+\.?(:|$))[\w-]+\.?(:(?P<port>\d{1,5}))?", re.ASCII)
"""With a port if one is given. The last label of a name is no number, unlike that of an address."""
_UNIX_PEER = re.compile(r"unix:\d{1,10}", re.ASCII)
_SHORTEST_KEY = 8
DEFAULT_PORT = 7860
"""The port of A1111, where its clients expect a server."""


def _lower(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.lower() for name in names)


@dataclass(frozen=True)
class ServerOptions:
    """The options of one server; `check` says whether they are safe together.

    Fields with an `OptionSpec` are options of `sdtui serve`.
    """

    host: Annotated[str, OptionSpec(help="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, OptionSpec(help="Port; 0 = any that is free.", ge=0, le=65535)] = (
        DEFAULT_PORT
    )
    unix_socket: Annotated[
        Path | None,
        OptionSpec(
            help="Listen on a Unix socket instead. Without a key it answers to your own user only.",
            metavar="PATH",
            parse=Path.absolute,
        ),
    ] = None
    tls_cert: Annotated[
        Path | None,
        OptionSpec(
            help="Serve over TLS with this certificate and those of its issuers (PEM).",
            metavar="FILE",
            parse=Path.absolute,
        ),
    ] = None
    tls_key: Annotated[
        Path | None,
        OptionSpec(help="The certificate's key (PEM).", metavar="FILE", parse=Path.absolute),
    ] = None
    api_key: str | None = None
    keys_file: Annotated[
        Path | None,
        OptionSpec(
            help="A TOML file of named API keys with limits, each with its own pictures.",
            metavar="FILE",
        ),
    ] = None
    no_auth: Annotated[bool, OptionSpec(help="Serve without a key on an address others reach.")] = (
        False
    )
    cors: Annotated[
        tuple[str, ...],
        OptionSpec(
            help="Let pages of ORIGIN call. * = all.",
            metavar="ORIGIN",
            parse=lambda origins: tuple(each.lower().rstrip("/") for each in origins),
        ),
    ] = ()
    """Origins whose web pages may use the server, as browsers write them; "*" = all."""
    root_path: Annotated[
        str,
        OptionSpec(
            help="Path prefix of a reverse proxy.",
            metavar="PREFIX",
            parse=lambda prefix: prefix.rstrip("/"),
        ),
    ] = ""
    """Path prefix under which a reverse proxy serves this server, e.g. "/sd"."""
    trusted_proxies: Annotated[
        tuple[str, ...],
        OptionSpec(
            help="Believe the X-Forwarded headers of this address or network. * = all.",
            flag="--trusted-proxy",
            metavar="ADDRESS",
        ),
    ] = ()
    """Addresses and networks of proxies whose headers are believed; "*" = all."""
    allowed_hosts: Annotated[
        tuple[str, ...],
        OptionSpec(
            help="Answer to this name without a key too. * = all.",
            flag="--allowed-host",
            metavar="NAME",
            parse=_lower,
        ),
    ] = ()
    """Further names of the server in lower case, for requests without a key; "*" = all."""
    queue_limit: Annotated[
        int, OptionSpec(help="Jobs that may wait.", flag="--queue", ge=1, le=10_000)
    ] = 16
    client_jobs: Annotated[
        int | None,
        OptionSpec(help="Unfinished jobs that one address may have. [no limit]", ge=1),
    ] = None
    grace: Annotated[
        float,
        OptionSpec(
            reloads=True,
            help="Seconds that the running picture gets to end on SIGTERM.",
            ge=0,
            le=3600,
        ),
    ] = 30.0
    max_body: Annotated[
        int,
        OptionSpec(
            help="MiB of a request's body.",
            ge=1,
            le=1024,
            default="32",
            parse=lambda mebibytes: mebibytes * 2**20,
        ),
    ] = 32 * 2**20
    """Most bytes of a request body."""
    max_pixels: Annotated[
        int,
        OptionSpec(reloads=True, help="Most pixels (width times height) of a request.", ge=64 * 64),
    ] = 2048 * 2048
    max_work: Annotated[
        float | None,
        OptionSpec(
            reloads=True,
            help="Most megapixels times steps of a job, of all passes and pictures. [no limit]",
            ge=1,
        ),
    ] = None
    max_pictures: Annotated[
        int, OptionSpec(reloads=True, help="Pictures of one job.", ge=1, le=64)
    ] = 16
    max_grid: Annotated[
        int, OptionSpec(reloads=True, help="Pictures of a grid.", ge=1, le=1000)
    ] = 100
    max_upload_pixels: int = 32_000_000
    """Most pixels (width times height) of an uploaded picture."""
    job_timeout: Annotated[
        float | None,
        OptionSpec(
            reloads=True,
            help="Cancel a running job after this time. [never]",
            metavar="SECONDS",
            ge=1,
        ),
    ] = None
    stall_timeout: Annotated[
        float,
        OptionSpec(
            help="Fail if a running job makes no progress for this time.",
            metavar="SECONDS",
            ge=1,
        ),
    ] = 1800.0
    max_failures: Annotated[
        int, OptionSpec(help="Fail after this many internal errors of jobs in a row.", ge=1)
    ] = 5
    failure_code: Annotated[
        int,
        OptionSpec(
            help="End with this exit code when it fails. 0 = go on, but not ready.", ge=0, le=255
        ),
    ] = 1
    unload_after: Annotated[
        float | None,
        OptionSpec(
            reloads=True,
            help="Unload the model after this time without a job. [never]",
            metavar="SECONDS",
            ge=1,
        ),
    ] = None
    keep: Annotated[
        Keep,
        OptionSpec(
            help="Which pictures are kept: none, 30d (days), 20GiB; may be repeated. Others,"
            " unless starred, are deleted, whoever made them. [all]",
            metavar="RULE",
            is_list=True,
            parse=parse_keep,
        ),
    ] = field(default_factory=Keep)
    webhook_hosts: Annotated[
        tuple[str, ...],
        OptionSpec(
            help="Let jobs have webhooks to this name (with :PORT, unless it is the usual one),"
            " address or network.",
            flag="--webhook-host",
            metavar="HOST",
            parse=_lower,
        ),
    ] = ()
    webhook_secret: Annotated[
        Path | None,
        OptionSpec(help="A file with the secret that signs webhooks.", metavar="FILE"),
    ] = None
    allow_downloads: Annotated[
        bool, OptionSpec(help="Let requests name any model of the hub; it is fetched then.")
    ] = False

    training_folder: Annotated[
        Path | None,
        OptionSpec(
            reloads=True,
            help="Let requests begin trainings with the pictures in folders below this one, and"
            " delete trainings.",
            metavar="PATH",
            parse=Path.absolute,
        ),
    ] = None

    access_log: Annotated[
        bool, OptionSpec(help="Log each request: who, what, the answer's status, time and size.")
    ] = False

    compatible_policy: Policy = Policy.STRICT
    """The retry policy of requests of A1111's and OpenAI's API that name none: their clients expect
    the picture that they asked for, or an error."""
    preload: bool = True
    """Load the default model at the start."""
    end_after: float | None = None
    """Seconds without job and client after which the server ends."""
    state_folder: Path | None = None
    """The folder of uploads and queue; None = that of `sdtui serve`."""

    @property
    def has_keys(self) -> bool:
        """True if requests need a key."""
        return self.api_key is not None or self.keys_file is not None

    @property
    def own_user_only(self) -> bool:
        """True if only the user of this process may use the server: it has a Unix socket and no
        key."""
        return self.unix_socket is not None and not self.has_keys and not self.no_auth

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
        found = []
        if self.api_key is not None and len(self.api_key) < _SHORTEST_KEY:
            found.append(
                f"the API key is shorter than {_SHORTEST_KEY} characters: it can be guessed"
            )
        if not self.has_keys and "*" in self.cors:
            found.append(
                "--cors '*' without an API key: every page that someone on this network opens can "
                "make pictures here and read the history"
            )
        return tuple(found)

    def check(self) -> None:
        """Raise SettingsError for wrong values, and for a public server without a key."""
        self._check_addresses()
        if (self.tls_cert is None) != (self.tls_key is None):
            raise OptionError(
                "--tls-cert" if self.tls_cert else "--tls-key",
                "a certificate needs its key, and a key its certificate",
                "Give both --tls-cert and --tls-key",
            )
        if self.tls_cert is not None and self.unix_socket is not None:
            raise OptionError(
                "--tls-cert",
                "a Unix socket has no TLS",
                "Leave out --tls-cert and --tls-key, or --unix-socket",
            )
        for flag, seconds in (
            ("--grace", self.grace),
            ("--job-timeout", self.job_timeout),
            ("--stall-timeout", self.stall_timeout),
            ("--unload-after", self.unload_after),
        ):
            if seconds is not None and math.isnan(seconds):
                raise OptionError(flag, f"{flag} must be a number of seconds", "Give one like 600")
        if not PREFIX.fullmatch(self.root_path):
            raise OptionError(
                "--root-path",
                f'"{self.root_path}" is not the prefix of a path',
                "Give one like /sd with --root-path",
            )
        if not self.is_loopback and not self.has_keys and not self.no_auth:
            raise OptionError(
                "--host",
                f"without an API key everyone who reaches {self.host} could use this server",
                "Set SDTUI_API_KEY, --api-key-file or --keys-file, or say --no-auth if that is "
                "what you want",
            )

        if self.training_folder is not None and not paths.is_folder(self.training_folder):
            raise OptionError(
                "--training-folder",
                f"there is no folder {self.training_folder}",
                "Make it, or name another one",
            )
        if self.webhook_hosts and self.webhook_secret is None:
            raise OptionError(
                "--webhook-host",
                "without a secret nobody could tell whether a webhook is from this server",
                "Give a file with one with --webhook-secret",
            )

    def _check_addresses(self) -> None:
        for origin in self.cors:
            scheme, _, host = origin.partition("://")
            is_usual = host == without_default_port(host, scheme) and _ORIGIN.fullmatch(origin)
            if origin not in ("*", "null") and not is_usual:
                raise OptionError(
                    "--cors",
                    f'"{origin}" is not the origin of a page as browsers write it',
                    "Give scheme, host and port (unless it is the usual one) with --cors, such as "
                    "http://localhost:3000",
                )
        for proxy in self.trusted_proxies:
            is_named = proxy == "*" or _UNIX_PEER.fullmatch(proxy)
            if not is_named and (problem := _network_problem(proxy)):
                raise OptionError(
                    "--trusted-proxy",
                    f'"{proxy}" is not an address or network{problem}',
                    "Give one such as 127.0.0.1, 10.0.0.0/8 or unix:33 with --trusted-proxy",
                )
        for host in self.webhook_hosts:
            found = _NAMED_HOST.fullmatch(host)
            is_name = found is not None and 0 < int(found["port"] or 80) < 2**16
            if not is_name and (problem := _network_problem(host)):
                raise OptionError(
                    "--webhook-host",
                    f'"{host}" is not a host or network{problem}',
                    "Give one such as bots.example, bots.example:8443 or 10.0.0.0/8",
                )
        for host in self.allowed_hosts:
            if host != "*" and not _HOST.fullmatch(host):
                raise OptionError(
                    "--allowed-host",
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
