"""nginx on loopback, with the configuration that the manual has for operators."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sdtui.docs import page_file

_PATHS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def nginx_command(folder: Path, address: str, target: str) -> list[str]:
    """Return the command that serves at an address what is at the target, both HOST:PORT; all that
    nginx writes is below the folder. TLS is left out."""
    text = page_file("operating").with_name("deploy").joinpath("nginx.conf").read_text()
    text = re.sub(r"^ *(listen|ssl_\w+) .*\n", "", text, flags=re.MULTILINE)
    text = text.replace("server {", f"server {{\n    listen {address};", 1)
    text = text.replace("127.0.0.1:7860", target)
    paths = "".join(f"{name}_temp_path {folder}/{name};\n" for name in _PATHS)
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user}\ndaemon off;\npid {folder}/pid;\nerror_log {folder}/error.log;\n"
        f"events {{ worker_connections 2048; }}\nhttp {{\naccess_log off;\n{paths}{text}}}\n"
    )
    return ["nginx", "-p", str(folder), "-e", "error.log", "-c", "nginx.conf"]


@contextmanager
def nginx(target: str) -> Iterator[str]:
    """Serve what is at the target, HOST:PORT; yields the public URL."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    with tempfile.TemporaryDirectory() as name:
        process = subprocess.Popen(nginx_command(Path(name), address, target))
        try:
            _wait_for_port(address)
            yield f"http://{address}/sd"
        finally:
            process.terminate()
            process.wait(30)


def _wait_for_port(address: str) -> None:
    host, port = address.split(":")
    for _ in range(100):
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"nginx doesn't listen at {address}")
