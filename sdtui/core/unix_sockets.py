"""Unix sockets: where the daemon's is, who is at the other end, and folders that are private."""

from __future__ import annotations

import os
import socket
import stat
import struct
import sys
from pathlib import Path

from sdtui.core import paths
from sdtui.core.errors import SettingsError
from sdtui.core.locks import try_hold

DIAL_GREETING = b"sdtui daemon: connected\n"
"""What `sdtui daemon dial` writes first. Whatever comes before it was printed by a login shell."""
_STOPPED = b"stopped"
_LONGEST = 107 if sys.platform == "linux" else 103
"""Most bytes of a socket's path: `sun_path` less the zero at its end."""
_UCRED = struct.Struct("iIi")
"""Linux's ucred: process, user and group."""
_XUCRED = struct.Struct("2I")
"""The beginning of macOS's xucred: version and uid."""


def own_uid() -> int:
    """Return the id of this process's user. Raises SettingsError where there are no Unix
    sockets."""
    if sys.platform == "win32":
        raise SettingsError("there are no Unix sockets on Windows", "Use sdtui serve and its URL")
    return os.getuid()


def daemon_socket() -> Path:
    """Return the path of the daemon's socket, or that of `SDTUI_SOCKET`.

    Not in the runtime folder of systemd, which is deleted at the user's last logout. The host is in
    the name since several may share the folder.
    """
    named = os.environ.get("SDTUI_SOCKET")
    if named:
        return paths.expanded(named).absolute()
    return _default_folder() / f"{socket.gethostname()}.sock"


def _default_folder() -> Path:
    return Path(f"/tmp/sdtui-{own_uid()}")


def make_socket_folder(path: Path) -> None:
    """Make the folder of the daemon's socket, for its user alone. Raises SettingsError if that
    can't be done, or it is another user's."""
    folder = path.parent
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise SettingsError(
            f"the folder {folder} can't be made: {error.strerror}",
            "Set SDTUI_SOCKET to a path in another folder",
        ) from error
    check_socket_folder(path)


def own_folder() -> Path:
    """Return the folder of this user's sockets, which only they can enter; it is made if it is
    missing. Raises SettingsError."""
    folder = _default_folder()
    make_socket_folder(folder / "any")
    return folder


def check_socket_folder(path: Path) -> None:
    """Raise SettingsError unless the folder of the daemon's socket is the user's alone. A folder
    that `SDTUI_SOCKET` names, and a missing one, aren't checked."""
    folder = path.parent
    if folder != _default_folder():
        return
    try:
        found = folder.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(found.st_mode):
        problem = "is no folder"
    elif found.st_uid != own_uid():
        problem = "belongs to another user"
    elif found.st_mode & 0o077:
        problem = "can be entered by others"
    else:
        return
    raise SettingsError(
        f"{folder} {problem}, so the daemon's socket would not be private",
        "Delete it, or set SDTUI_SOCKET to a path in a folder of yours",
    )


def check_socket_path(path: Path) -> None:
    """Raise SettingsError if a path is too long for a socket."""
    length = len(os.fsencode(path))
    if length > _LONGEST:
        raise SettingsError(
            f"{path} is too long for a socket: {length} bytes, {_LONGEST} are allowed",
            "Choose a shorter path",
        )


def hold_socket(path: Path) -> int | None:
    """Hold the right to listen at a path until the returned handle is closed or the process and its
    forks have ended; None if another process holds it. Raises SettingsError."""
    check_socket_path(path)
    lock = _lock_of(path)
    try:
        return try_hold(lock)
    except OSError as error:
        raise SettingsError(
            f"{lock} can't be locked: {error.strerror}", "Choose a path in another folder"
        ) from error


def note_stopped(path: Path, *, stopped: bool) -> None:
    """Note beside a socket whether its daemon was stopped on purpose. Raises OSError."""
    _lock_of(path).write_bytes(_STOPPED if stopped else b"")


def was_stopped(path: Path) -> bool:
    """Return True if the daemon at a socket was stopped on purpose."""
    try:
        return _lock_of(path).read_bytes() == _STOPPED
    except OSError:
        return False


def _lock_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def connect_unix(path: Path, timeout: float | None) -> socket.socket:
    """Connect to a Unix socket of the own user. Raises SettingsError if it is another's or its path
    is too long, and OSError if nobody listens."""
    own = own_uid()
    check_socket_path(path)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        connection.connect(str(path))
        uid = peer_uid(connection)
    except BaseException:
        connection.close()
        raise
    if uid in (own, None):
        return connection
    connection.close()
    raise SettingsError(
        f"{path} is the socket of another user (uid {uid})", "Choose a socket of your own"
    )


def peer_uid(connection: socket.socket) -> int | None:
    """Return the user at the other end of a Unix socket, as the system noted it when the connection
    or the listening began; None where the system can't say."""
    if sys.platform == "linux":
        data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
        return int(_UCRED.unpack(data)[1])
    if sys.platform == "darwin":
        data = connection.getsockopt(0, socket.LOCAL_PEERCRED, 4 * 19)
        return int(_XUCRED.unpack_from(data)[1])
    return None


def peer_process(connection: socket.socket) -> int | None:
    """Return the process at the other end of a Unix socket; for the end that listened, the one that
    began to. None where the system can't say."""
    if sys.platform == "linux":
        data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
        return int(_UCRED.unpack(data)[0])
    return None
