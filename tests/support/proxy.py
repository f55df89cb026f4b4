"""A small reverse proxy on loopback, as nginx, Caddy or Traefik stand before the server."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection

Change = Callable[[str, dict[str, str]], tuple[str, Mapping[str, str]]]
"""What a proxy makes of the path and the headers of a request."""


@contextmanager
def proxy(target: tuple[str, int], change: Change) -> Iterator[tuple[str, int]]:
    """Run a proxy before the server at `target`; yields its address. `change` may alter path and
    headers, whose names are in lower case; the Host header is that of the client."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def _forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            sent = {name.lower(): value for name, value in self.headers.items()}
            path, headers = change(self.path, sent)
            connection = HTTPConnection(*target)
            connection.request(self.command, path, body, dict(headers))
            answer = connection.getresponse()
            data = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            connection.close()

        do_GET = do_POST = do_DELETE = do_PUT = _forward  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield "127.0.0.1", server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
