"""Where the socket is: a folder of its own that nobody else may enter, held by the one daemon that listens there."""
from __future__ import annotations

import errno
import fcntl
import os
import socket
import stat
import struct
from pathlib import Path

import attrs

from realtrading.domain.settings import Settings
from realtrading.errors import BadInput

from .protocol import FILE

EXIT_CONFIGURATION = 4
EXIT_OCCUPIED = 75
_CREDENTIALS = struct.Struct("iII")


@attrs.frozen
class Peer:
    """Who is at the other end of a connection, as the kernel vouches for it."""

    pid: int
    uid: int


def peer_of(connection: socket.socket) -> Peer:
    """The process that connected, or that listens."""
    pid, uid, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return Peer(pid=pid, uid=uid)


def folder_of(settings: Settings, base_dir: Path = Path()) -> Path:
    """The folder of the socket. The mode is in its name: two modes may share a runtime folder, as their journals may."""
    return base_dir / settings.runtime_dir / f"door-{settings.mode}"


def address_in(folder_fd: int) -> str:
    """The socket's address by way of the opened folder: a path may be longer than an address, and may be moved."""
    return f"/proc/self/fd/{folder_fd}/{FILE}"


def take(folder: Path) -> int:
    """Make the folder ours alone, hold it, and clear away what a dead daemon left; the descriptor is the hold.

    The kernel lets go of it when this process ends, however it ends. Raises `BadInput`: 4 for a folder that cannot be
    had, 75 when a living daemon has it.
    """
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # it may be the state's folder, made here first
    except OSError as failure:
        what = f"no folder for the socket: {folder.parent}: {(failure.strerror or str(failure)).lower()}"
        raise BadInput(what, exit_code=EXIT_CONFIGURATION) from None
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as failure:
        raise _unusable(folder, failure.strerror or str(failure)) from None
    try:
        if os.fstat(held).st_uid != os.geteuid():
            raise _unusable(folder, "it belongs to another user")
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.fchmod(held, 0o700)
        _clear(held, folder)
    except BaseException as failure:
        os.close(held)
        if not isinstance(failure, OSError):
            raise
        if failure.errno in (errno.EWOULDBLOCK, errno.EACCES):
            raise BadInput(f"another daemon listens at {folder / FILE}", exit_code=EXIT_OCCUPIED) from None
        raise _unusable(folder, failure.strerror or str(failure)) from None
    return held


def _clear(held: int, folder: Path) -> None:
    """Remove a socket that nobody can be listening at, since the folder is ours; never anything else."""
    try:
        mode = os.stat(FILE, dir_fd=held, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise _unusable(folder, f"{FILE} in it is no socket")
    os.unlink(FILE, dir_fd=held)


def _unusable(folder: Path, why: str) -> BadInput:
    return BadInput(f"no socket in {folder}: {why.lower()}", exit_code=EXIT_CONFIGURATION)
