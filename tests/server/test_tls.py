"""TLS by files: what is refused, and reading them again."""

from __future__ import annotations

import logging
import ssl
import urllib.request
from pathlib import Path

import pytest

from sdtui.core.errors import SettingsError
from sdtui.server.tls import make_context, validity_problem
from tests.support.live_server import live
from tests.support.scripted_generator import ScriptedGenerator

CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBmjCCAUGgAwIBAgIUNGmRqGrx7l4EFt/5NXi2zsWzX1MwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyOTE1MDMxM1oYDzIxMjYxMTA1
MTUwMzEzWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARqKUnQUwNPDbSquElgT08k0fMaOUY3wKF5qBCKoRI8KWj1fl/753sV
Qrbz5xZ3qvimxh96Zu3tNyIKQtu2ETX9o28wbTAdBgNVHQ4EFgQUu+GFB4eiXRba
k+9qd7FG0d9MqpAwHwYDVR0jBBgwFoAUu+GFB4eiXRbak+9qd7FG0d9MqpAwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDRwAwRAIgHt36fmPiVHcZANsu8FsRqvIPI9SP1wsqxkOkg5Hv96ACIENh
yNBJxMu3PGjz3vbPEzqoV6nITr/P82H/PaqzYDlz
-----END CERTIFICATE-----
"""
KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgTSG6HVVA8nXYleVy
y5H+XudqWpJpH6hG6hCp49IhJkKhRANCAARqKUnQUwNPDbSquElgT08k0fMaOUY3
wKF5qBCKoRI8KWj1fl/753sVQrbz5xZ3qvimxh96Zu3tNyIKQtu2ETX9
-----END PRIVATE KEY-----
"""
OTHER_CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBmzCCAUGgAwIBAgIUaFK70a1gAtKV4zeqwkPOdWB3WlMwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyOTE1MDMxM1oYDzIxMjYxMTA1
MTUwMzEzWjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARYiWPnnoIpbxsjwFiJOFud5bfxCU1YKYYBaUy+JldZZ1wNqjRoP/a5
M9lKKGOHvq0fHgyIxl+hWXbuAcHNa2eqo28wbTAdBgNVHQ4EFgQUEDtViXBZYMSI
zq7gsK5qpd+e0AAwHwYDVR0jBBgwFoAUEDtViXBZYMSIzq7gsK5qpd+e0AAwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDSAAwRQIhAOOvvzy8KFmrhY6g/A/GkgVgy5HSvsrAZG+SIKnZdFVZAiB6
6eTI9SGOrXQysAmcOvFowwZ63Sp9IF+tfvC7t2lLvw==
-----END CERTIFICATE-----
"""
OTHER_KEY = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg6tOEQ3r0V98BWQ+W
veOMMRe4og82eZwUIfRUH5Sy3GmhRANCAARYiWPnnoIpbxsjwFiJOFud5bfxCU1Y
KYYBaUy+JldZZ1wNqjRoP/a5M9lKKGOHvq0fHgyIxl+hWXbuAcHNa2eq
-----END PRIVATE KEY-----
"""
EXPIRED = """\
-----BEGIN CERTIFICATE-----
MIIBBDCBrAIBAjAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARwYXN0MB4XDTIwMDEw
MTAwMDAwMFoXDTIxMDEwMTAwMDAwMFowDzENMAsGA1UEAwwEcGFzdDBZMBMGByqG
SM49AgEGCCqGSM49AwEHA0IABFiJY+eegilvGyPAWIk4W53lt/EJTVgphgFpTL4m
V1lnXA2qNGg/9rkz2UooY4e+rR8eDIjGX6FZdu4Bwc1rZ6owCgYIKoZIzj0EAwID
RwAwRAIgBHFV7islZFg/7m+RBE1RUE9WoMSH3NIE/8IEEqXPquwCIBQDJB07GNi8
+KNOIjR8FmMy5gKY0uchfkQ2Mx+fYHSn
-----END CERTIFICATE-----
"""
"""Of OTHER_KEY, until 2021."""
ENCRYPTED_KEY = """\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjDIeN9pLFllAICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEKuv2TNiR9Klc3vY48qRkykEgZDM
aMxh79wC7dgEE19p5kwcig+PA9+6MUpsZKnLoQU32SVIq8fwZR4WLpZbkw97OUSf
xVo7TwU/9EYsRX3p9et2Hf4EgDh4E78np76PPwxE6atJLr6hx+/JEc8ZY441efcn
+VZD2WP4H6YpSN9hGYR6u5BemcP2pWNVtV6pSou2oN7VnhW2VhxYOQ934C49ZcI=
-----END ENCRYPTED PRIVATE KEY-----
"""
"""These were made with `openssl req -x509 -newkey ec` for localhost, for a hundred years."""


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """The file of the certificate."""
    (tmp_path / "a.crt").write_text(CERTIFICATE)
    return tmp_path / "a.crt"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """The file of its key."""
    (tmp_path / "a.key").write_text(KEY)
    return tmp_path / "a.key"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (OTHER_KEY, "is not that of the certificate"),
        (ENCRYPTED_KEY, "is encrypted"),
        ("junk", "are no certificate and key"),
    ],
)
def test_wrong_key_is_refused(certificate: Path, key: Path, text: str, words: str) -> None:
    key.write_text(text)
    with pytest.raises(SettingsError, match=words):
        make_context(certificate, key)


def test_missing_file_is_refused(certificate: Path, key: Path) -> None:
    key.unlink()
    with pytest.raises(SettingsError, match="can't be read: No such file"):
        make_context(certificate, key)


def test_expired_certificate_is_found(certificate: Path, key: Path) -> None:
    assert validity_problem(certificate, key) == ""
    certificate.write_text(EXPIRED)
    key.write_text(OTHER_KEY)
    assert validity_problem(certificate, key).endswith("certificate has expired")


def test_server_takes_another_certificate_while_it_runs(
    certificate: Path, key: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(trusted: str) -> bytes:
        context = ssl.create_default_context(cadata=trusted)
        url = f"{running.url}/livez"
        with urllib.request.urlopen(url, context=context, timeout=10) as opened:
            return bytes(opened.read())

    caplog.set_level(logging.INFO)
    with live(
        tmp_path, lambda _: ScriptedGenerator(), tls_cert=certificate, tls_key=key, warm=False
    ) as running:
        assert running.url.startswith("https://")
        assert answer(CERTIFICATE) == b"ok"
        key.write_text(OTHER_KEY)
        running.server.reload()
        running.until(lambda: "certificate and key stay as they were" in caplog.text)
        assert answer(CERTIFICATE) == b"ok"
        certificate.write_text(OTHER_CERTIFICATE)
        running.server.reload()
        running.until(lambda: "everything was read again" in caplog.text)
        assert answer(OTHER_CERTIFICATE) == b"ok"
