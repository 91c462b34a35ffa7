"""Holds tests of the domain and of keepers to their promise: no thread, no sleep, no socket, no file written."""

import builtins
import io
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC


class Impure(AssertionError):
    """Code that must be pure reached for a thread, the clock's patience, a socket or a disk."""


def forbid(patch: pytest.MonkeyPatch, tool_cache: Path) -> list[str]:
    """Make impure calls raise until `patch` is undone; returns the growing list of what was attempted.

    Files below `tool_cache` may be written: hypothesis keeps its tables there, and that is not the code under test.
    """
    attempts: list[str] = []

    def refuse(what: str) -> None:
        attempts.append(what)
        raise Impure(f"pure code under test did this: {what}")

    def refuse_file(what: str, file: object) -> None:
        if isinstance(file, int):
            return  # a descriptor: whoever opened it was looked at
        if not (isinstance(file, (str, Path)) and tool_cache in Path(file).parents):
            refuse(f"{what} of {file!r} for writing")

    class NoSocket(socket.socket):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            # a socket made from a descriptor is one end of asyncio's self-pipe, which leads nowhere
            if len(args) < 4 and kwargs.get("fileno") is None:
                refuse("socket.socket()")
            super().__init__(*args, **kwargs)

    patch.setattr(threading.Thread, "start", lambda self: refuse(f"start of thread {self.name}"))
    patch.setattr(time, "sleep", lambda seconds: refuse(f"time.sleep({seconds})"))
    patch.setattr(socket, "socket", NoSocket)
    # one function known under three names, and pathlib keeps its own reference to it
    for owner, name in ((builtins, "open"), (io, "open"), (Path, "open")):
        patch.setattr(owner, name, _by_mode(getattr(owner, name), refuse_file))
    patch.setattr(os, "open", _by_flags(os.open, refuse_file))
    return attempts


def _by_mode(original: Callable[..., Any], refuse_file: Callable[[str, object], None]) -> Callable[..., Any]:
    def guarded(file: Any, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        if not set(mode).isdisjoint("wax+"):
            refuse_file("open", file)
        return original(file, mode, *args, **kwargs)

    return guarded


def _by_flags(original: Callable[..., Any], refuse_file: Callable[[str, object], None]) -> Callable[..., Any]:
    def guarded(path: Any, flags: int, *args: Any, **kwargs: Any) -> Any:
        if flags & _WRITING:
            refuse_file("os.open", path)
        return original(path, flags, *args, **kwargs)

    return guarded
