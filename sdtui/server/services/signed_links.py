"""Signed links to saved pictures, which need no key and expire."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import logging
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from sdtui.core.files import write_atomic
from sdtui.jobs import JobPicture, PictureId

LIFETIME_SECONDS = 3600
_SECRET_BYTES = 32
_SIGNATURE_BYTES = 16

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LinkTarget:
    """The target of a link."""

    picture: PictureId
    quality: int | None
    """In percent, if the picture is encoded again with this quality."""


class SignedLinks:
    """Makes and checks links.

    A token contains target and expiry, signed with the server's secret: nothing is stored, and
    links survive a restart.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def make(self, picture: PictureId, quality: int | None = None) -> str:
        """Return the token of a new link."""
        where = [picture.job, picture.index] if isinstance(picture, JobPicture) else picture
        end = int(time.time()) + LIFETIME_SECONDS
        payload = json.dumps([end, quality, where], separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._signature(payload) + payload).decode().rstrip("=")

    def find(self, token: str) -> LinkTarget | None:
        """Return the target of a token, None if the signature is wrong or it has expired."""
        try:
            data = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except (binascii.Error, ValueError):
            return None
        signature, payload = data[:_SIGNATURE_BYTES], data[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._signature(payload)):
            return None
        end, quality, where = json.loads(payload)
        if time.time() >= end:
            return None
        return LinkTarget(JobPicture(*where) if isinstance(where, list) else where, quality)

    def _signature(self, payload: bytes) -> bytes:
        return hmac.digest(self._secret, payload, hashlib.sha256)[:_SIGNATURE_BYTES]


def read_secret(file: Path) -> bytes:
    """Read the secret in `file`, or create it; if it can't be saved it lasts for this process."""
    try:
        secret = file.read_bytes()
    except OSError:
        secret = b""
    if len(secret) == _SECRET_BYTES:
        return secret
    secret = secrets.token_bytes(_SECRET_BYTES)
    try:
        write_atomic(file, secret, mode=0o600)
    except OSError as error:
        _log.warning("links to pictures won't survive a restart: %s", error)
    return secret
