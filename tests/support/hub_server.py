"""A minimal hub: an HTTP server for the downloads of huggingface_hub."""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from sdtui.models import hub_cache_folder

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """The files and behaviour of the server, and the requests it received."""

    files: dict[str, bytes]
    refusal: tuple[int, str] | None = None
    """Status and error code of the hub in reply to every request."""
    gated: bool = False
    """Only the list of files is accessible."""
    pause: float = 0
    """Seconds between chunks of a file."""
    url: str = ""
    tokens: set[str | None] = field(default_factory=set)
    fetched: list[str] = field(default_factory=list)

    def listing(self) -> dict[str, Any]:
        """The information about the model in the format of the hub's API."""
        siblings = [
            {"rfilename": name, "size": len(data), "blobId": hashlib.sha1(data).hexdigest()}
            for name, data in self.files.items()
        ]
        return {"_id": "1", "id": "some/model", "sha": COMMIT, "siblings": siblings}


@contextmanager
def running(hub: Hub) -> Iterator[Hub]:
    """Serve a hub on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self._answer()

        def log_message(self, *_: Any) -> None:
            pass

        def _answer(self) -> None:
            hub.tokens.add(self.headers.get("Authorization"))
            path = self.path.partition("?")[0]
            if hub.refusal:
                self._refuse(*hub.refusal)
            elif path.startswith("/api/models/some/model"):
                self._send(json.dumps(hub.listing()).encode(), {})
            elif "/resolve/" in path and hub.gated:
                self._refuse(403, "GatedRepo")
            elif path.startswith("/some/model/resolve/"):
                self._file(path.split("/", 5)[5])
            else:
                self._refuse(404, "RepoNotFound")

        def _file(self, name: str) -> None:
            data = hub.files[name]
            tag = hashlib.sha256(data).hexdigest()
            if self.command == "GET":
                hub.fetched.append(name)
            self._send(data, {"ETag": f'"{tag}"', "X-Repo-Commit": COMMIT})

        def _send(self, data: bytes, headers: dict[str, str]) -> None:
            requested = self.headers.get("Range")
            start = int(requested.removeprefix("bytes=").rstrip("-")) if requested else 0
            if requested:
                headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            self.send_response(206 if requested else 200)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data) - start))
            self.end_headers()
            if self.command == "GET":
                self._write(data[start:])

        def _write(self, data: bytes) -> None:
            try:
                for first in range(0, len(data), 1 << 16):
                    self.wfile.write(data[first : first + (1 << 16)])
                    time.sleep(hub.pause)
            except OSError:
                self.close_connection = True  # the client cancelled

        def _refuse(self, status: int, code: str) -> None:
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def use_instead_of_hub(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redirect huggingface_hub, which reads its variables only at import."""
    from huggingface_hub import constants

    from sdtui.models import hub as product

    template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(hub_cache_folder()))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1 << 16)
    monkeypatch.setattr(product, "_REPORT_SECONDS", 0)
