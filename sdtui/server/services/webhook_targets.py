"""Where webhooks may go, and sending one there."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import ssl
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from sdtui import __version__
from sdtui.core.errors import InvalidRequestError, Problem

_LONGEST_URL = 2000
_PRINTABLE = re.compile(r"[!-~]+")
_SECONDS = 15.0
"""For an attempt, with the answer."""
_PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_PUBLIC_IPV6 = ipaddress.ip_network("2000::/3")
"""All addresses that IANA has given out for global unicast."""
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class WebhookError(Exception):
    """A webhook wasn't taken; the message is the reason."""


@dataclass(frozen=True)
class WebhookHosts:
    """The hosts to which webhooks may go."""

    names: frozenset[str]
    """Names, as in "bots.example" or "bots.example:8443"."""
    networks: tuple[_Network, ...]

    @classmethod
    def parse(cls, hosts: Iterable[str]) -> WebhookHosts:
        """Return the hosts of names, addresses and networks."""
        names, networks = [], []
        for host in hosts:
            try:
                networks.append(ipaddress.ip_network(host))
            except ValueError:
                name, colon, port = host.lower().partition(":")
                names.append(f"{name.rstrip('.')}{colon}{port}")
        return cls(frozenset(names), tuple(networks))

    def check(self, url: str) -> None:
        """Raise InvalidRequestError if webhooks may not go to a URL."""
        try:
            parts = urlsplit(url)
            port = parts.port or _PORTS[parts.scheme]
            host = _host_of(parts)
        except (ValueError, KeyError) as error:
            raise _refused(url, "must be an http or https URL") from error
        if len(url) > _LONGEST_URL or not _PRINTABLE.fullmatch(url) or not host:
            raise _refused(url, "must be an http or https URL")
        if parts.username is not None or parts.password is not None or parts.fragment:
            raise _refused(url, "may have no user name and no fragment")
        if not self._is_listed(host, port):
            raise _refused(
                url, "is at a host that isn't allowed: `sdtui serve --webhook-host HOST` allows one"
            )

    def _is_listed(self, host: str, port: int) -> bool:
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            usual = port in _PORTS.values()
            return f"{host}:{port}" in self.names or (usual and host in self.names)
        return self._is_in_networks(address)

    def may_reach(self, address: str) -> bool:
        """True if webhooks may go to an address: to public ones, wherever an allowed name leads,
        to others only if they are listed themselves."""
        found = ipaddress.ip_address(address.partition("%")[0])
        return self._is_in_networks(found) or all(map(_is_public, _meant_by(found)))

    def _is_in_networks(self, address: _Address) -> bool:
        return any(address in network for network in self.networks)


def _meant_by(address: _Address) -> list[_Address]:
    """Return an address with the IPv4 addresses in it, to which it may be translated."""
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    found: list[_Address] = [each for each in inner if each is not None]
    is_only_meant = address.ipv4_mapped is not None or address in _NAT64
    return found if is_only_meant else [address, *found]


def _is_public(address: _Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and address not in _PUBLIC_IPV6:
        return False
    return address.is_global and not address.is_multicast


def _host_of(parts: SplitResult) -> str:
    """Return the host of a URL without a dot at its end, which certificates don't have."""
    return (parts.hostname or "").rstrip(".")


def _refused(url: str, message: str) -> InvalidRequestError:
    return InvalidRequestError([Problem("webhook_url", url, message)])


async def send(hosts: WebhookHosts, url: str, body: bytes, headers: Mapping[str, str]) -> None:
    """Post a webhook. Redirects aren't followed. Raises WebhookError."""
    hosts.check(url)
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(_SECONDS):
            status = await _post(hosts, parts, body, headers)
    except TimeoutError as error:
        raise WebhookError(f"no answer in {_SECONDS:g} s") from error
    except (OSError, ssl.SSLError, ValueError) as error:
        raise WebhookError(str(error) or type(error).__name__) from error
    if not 200 <= status < 300:
        raise WebhookError(f"the answer has status {status}")


async def _post(
    hosts: WebhookHosts, parts: SplitResult, body: bytes, headers: Mapping[str, str]
) -> int:
    """Return the status of the answer, which isn't read further."""
    reader, writer = await _connect(hosts, parts)
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = {
            "Host": parts.netloc,
            "User-Agent": f"sdtui/{__version__}",
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Connection": "close",
            **headers,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        writer.write(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode("ascii") + body)
        await writer.drain()
        while (status := _status(await reader.readline())) < 200:  # 103 Early Hints, say
            while (await reader.readline()).strip():
                pass
        return status
    finally:
        writer.transport.abort()


async def _connect(
    hosts: WebhookHosts, parts: SplitResult
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the first address of a host that may be reached, and answers."""
    host, port = _host_of(parts), parts.port or _PORTS[parts.scheme]
    # The address that is checked is the one that is connected to: the name isn't looked up again.
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(each[4][0]) for each in found if hosts.may_reach(str(each[4][0]))]
    if not addresses:
        raise WebhookError("its host has no address to which webhooks may go")
    is_https = parts.scheme == "https"
    context = await asyncio.to_thread(ssl.create_default_context) if is_https else None
    name = host if is_https else None
    for address in addresses[:-1]:
        with suppress(OSError):
            return await asyncio.open_connection(address, port, ssl=context, server_hostname=name)
    return await asyncio.open_connection(addresses[-1], port, ssl=context, server_hostname=name)


def _status(line: bytes) -> int:
    """Return the status in the first line of an answer. Raises ValueError."""
    found = re.match(rb"HTTP/1\.[01] (\d{3})\b", line)
    if found is None:
        raise ValueError("the answer isn't HTTP")
    return int(found[1])
