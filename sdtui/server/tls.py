"""TLS by the files of a certificate and its key."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

from sdtui.core.errors import SettingsError
from sdtui.server.options import ServerOptions

_log = logging.getLogger(__name__)
_ALPN = ["http/1.1"]


def tls_context(options: ServerOptions) -> ssl.SSLContext | None:
    """Return the context of a server with these options; None without TLS. Raises SettingsError."""
    if options.tls_cert is None or options.tls_key is None:
        return None
    if problem := validity_problem(options.tls_cert, options.tls_key):
        _log.warning("%s: clients will refuse it", problem)
    return make_context(options.tls_cert, options.tls_key)


def make_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return the context of a server with a certificate, followed by those of its issuers, and its
    key, both as PEM. Raises SettingsError."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(_ALPN)
    load_files(context, certificate, key)
    return context


def load_files(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Let connections that are made from now on use these files. Raises SettingsError, and changes
    nothing then."""
    trial = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for each in (trial, context):  # a wrong pair would leave a context without a key
        _load(each, certificate, key)


def _load(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    def refuse_password() -> str:
        raise SettingsError(
            f"the key {key} is encrypted", f"Decrypt it: openssl pkey -in {key} -out plain.key"
        )

    for file in (certificate, key):
        try:
            file.read_bytes()
        except OSError as error:
            raise SettingsError(
                f"{file} can't be read: {error.strerror}",
                "Name readable files with --tls-cert and --tls-key",
            ) from error
    try:
        context.load_cert_chain(certificate, key, refuse_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            problem = f"the key {key} is not that of the certificate {certificate}"
        else:
            problem = f"{certificate} and {key} are no certificate and key"
        raise SettingsError(problem, "Give both as PEM with --tls-cert and --tls-key") from error


def validity_problem(certificate: Path, key: Path) -> str:
    """Return why clients will refuse a certificate whatever its issuer is: it has expired, or isn't
    valid yet. Empty if neither. Raises SettingsError if the files can't be used."""
    server = make_context(certificate, key)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # it need not be its own issuer
    client.load_verify_locations(certificate)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    try:
        for _ in range(2):  # hello, and the client's check of what the server sent
            for end in ends:
                _step(end)
    except ssl.SSLCertVerificationError as error:
        return f"{certificate}: {error.verify_message}"
    return ""


def _step(end: ssl.SSLObject) -> None:
    """Do as much of a handshake as can be done now."""
    try:
        end.do_handshake()
    except ssl.SSLWantReadError:
        return
