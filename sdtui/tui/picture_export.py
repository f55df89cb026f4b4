"""Getting a picture to where the user is: a line for scp, a file sent through the terminal, the
clipboard, a viewer. Each returns a sentence that says what happened, or raises SdtuiError."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from getpass import getuser
from io import BytesIO
from ipaddress import ip_address
from pathlib import Path
from tempfile import NamedTemporaryFile

from sdtui.core.errors import SdtuiError
from sdtui.core.text import one_line
from sdtui.tui.terminal.environment import through_tmux
from sdtui.tui.terminal.image_clipboard import clipboard_command, clipboard_strings
from sdtui.tui.terminal.inline_files import saved_file
from sdtui.tui.terminal.probe import TerminalCapabilities

_ODD = re.compile(r"[^\w@%+=:,./-]")
"""What a shell or scp's patterns may take for something else; letters of all scripts are plain."""
_SSH_PORT = "22"
_CLIPBOARD_SECONDS = 5.0


def scp_line(path: Path, environment: Mapping[str, str], user: str, host: str) -> str:
    """Return the command that copies a file of this machine to the user's. `host` is this machine's
    name. Raises SdtuiError if nobody came here by SSH."""
    parts = environment.get("SSH_CONNECTION", "").split()
    if len(parts) != 4:
        raise SdtuiError("You didn't come here by SSH", f"The picture is {one_line(str(path))}")
    client, _, server, port = parts
    option = "" if port == _SSH_PORT else f"-P {port} "
    return _scp_line(option, f"{user}@{_address(client, server, host)}", path.absolute())


def scp_line_from(host: str, path: Path) -> str:
    """Return the command that copies a file of another machine to this one. Raises SdtuiError."""
    if "/" in host:  # a socket, which may lead anywhere
        raise SdtuiError(f"scp can't reach {host}", f"There the picture is {one_line(str(path))}")
    return _scp_line("", f"[{host}]" if ":" in host else host, path)


def _scp_line(option: str, address: str, path: Path) -> str:
    name = str(path)
    if any(ord(each) < 32 for each in name):
        raise SdtuiError("scp can't copy a name with control characters", "Rename the file")
    # A backslash works both where a shell reads the name and where scp takes it for a pattern.
    escaped = _ODD.sub(r"\\\g<0>", name)
    return f"scp {option}{shlex.quote(f'{address}:{escaped}')} ."


def _address(client: str, server: str, host: str) -> str:
    """Return the address that the client used; the host's name if that is one of an inner network,
    and the client comes from elsewhere."""
    try:
        inner, came_from_inside = (ip_address(each.partition("%")[0]) for each in (server, client))
    except ValueError:
        return host
    if inner.is_private and not came_from_inside.is_private:
        return host
    return f"[{server}]" if inner.version == 6 else server


def scp_line_here(path: Path) -> str:
    """Return the command for this process's environment."""
    return scp_line(path, os.environ, getuser(), socket.gethostname())


def file_strings(name: str, data: bytes, terminal: TerminalCapabilities) -> str:
    """Return what makes the terminal save a file. Raises SdtuiError if it can't."""
    if not terminal.program.saves_files:
        raise SdtuiError("Only iTerm2 and WezTerm save files; y s copies a line for scp")
    if not terminal.is_reached:
        raise SdtuiError("tmux hands nothing on", "Set allow-passthrough on in tmux")
    parts = saved_file(name, data, parts=terminal.program.takes_parts)
    return "".join(map(through_tmux, parts))


def copies_through_terminal(terminal: TerminalCapabilities) -> bool:
    """True if the terminal takes images to its clipboard."""
    return terminal.program.takes_images_to_clipboard and terminal.is_reached


def image_strings(data: bytes) -> str:
    """Return what puts an encoded picture on the terminal's clipboard."""
    return clipboard_strings(as_png(data))


def copy_on_this_machine(data: bytes, *, over_ssh: bool) -> None:
    """Put an encoded picture on this machine's clipboard. Raises SdtuiError if that isn't possible.
    Not for the app's thread."""
    if over_ssh:
        raise SdtuiError("This terminal's clipboard takes only text; Kitty's takes images")
    command = clipboard_command(os.environ)
    if not command:
        raise SdtuiError("There is no program for the clipboard here", "Install wl-copy or xclip")
    with NamedTemporaryFile(prefix="sdtui-", suffix=".png") as file:
        file.write(as_png(data))
        file.flush()
        try:
            done = subprocess.run(
                [*command, file.name],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=_CLIPBOARD_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SdtuiError(f"{command[0]} failed: {error}") from error
    if done.returncode:
        raise SdtuiError(f"{command[0]} failed with code {done.returncode}")


def as_png(data: bytes) -> bytes:
    """Return an encoded picture as PNG. Raises SdtuiError if it is damaged."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(BytesIO(data)) as image:
            if image.format == "PNG":
                return data
            file = BytesIO()
            image.save(file, "PNG")
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise SdtuiError("The picture can't be read", "The file may be damaged") from error
    return file.getvalue()


def viewer_command(chosen: str, environment: Mapping[str, str]) -> str:
    """Return the command that opens a picture, whose path is to be added: the setting, $VIEWER, or
    the desktop's own, which ends with "&". Raises SdtuiError if there is none."""
    if command := chosen or environment.get("VIEWER", ""):
        return command
    over_ssh = environment.get("SSH_CONNECTION") or environment.get("SSH_TTY")
    has_desktop = environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY")
    if sys.platform == "darwin" and not over_ssh:
        return "open &"
    if has_desktop and not over_ssh and shutil.which("xdg-open"):
        return "xdg-open &"
    raise SdtuiError("There is no viewer", 'Set one in the config file, such as viewer = "chafa"')
