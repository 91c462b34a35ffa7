"""strace at one thread: what it calls, and SIGKILL in front of its N-th call. The product knows nothing of it."""

import os
import re
import select
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import attrs

ROOT = Path(__file__).resolve().parents[2]
DISK = ("pwrite64", "write", "fdatasync", "fsync", "ftruncate", "rename", "unlink")
SOCKET = ("sendto", "sendmsg", "recvfrom")
CALLS = {"main": DISK, "journal": DISK, "wire": SOCKET}
"""Role of a thread -> the calls at which it is killed: the main thread opens and closes the journal, `journal` writes it,
`wire` holds every socket to the exchange."""

ATTACH_S = 20.0
_CALL = re.compile(r"^(\w+)\(")
_ORDER = re.compile(r'(POST|DELETE) /api/v3/order')


def strace() -> str | None:
    """Where strace is: unpacked by `make tools`, or on PATH."""
    unpacked = ROOT / ".tools" / "strace" / "usr" / "bin"
    return shutil.which("strace", path=f"{unpacked}{os.pathsep}{os.environ.get('PATH', os.defpath)}")


def environment() -> dict[str, str]:
    """Ours, and where the libraries are that were unpacked beside strace."""
    libraries = sorted(map(str, (ROOT / ".tools" / "strace" / "usr" / "lib").glob("*-linux-gnu")))
    return {**os.environ, **({"LD_LIBRARY_PATH": os.pathsep.join(libraries)} if libraries else {})}


@attrs.frozen
class Trace:
    """What strace wrote about one thread."""

    lines: tuple[str, ...]

    @classmethod
    def read(cls, log: Path) -> "Trace":
        """The trace in this file; an empty one when there is none."""
        return cls(tuple(log.read_text(errors="replace").splitlines()) if log.exists() else ())

    def calls(self) -> Iterable[tuple[str, str]]:
        """(call, line) in order."""
        for line in self.lines:
            found = _CALL.match(line)
            if found:
                yield found.group(1), line

    def counts(self) -> Counter[str]:
        """How often each call was made."""
        return Counter(call for call, _ in self.calls())

    def order_carrying(self) -> set[tuple[str, int]]:
        """(call, its number) of every send that carries an order or a cancel."""
        found, seen = set(), Counter[str]()
        for call, line in self.calls():
            seen[call] += 1
            if _ORDER.search(line):
                found.add((call, seen[call]))
        return found

    @property
    def fatal(self) -> str:
        """The call in front of which the thread was killed; empty when it was not killed by us."""
        calls = list(self.calls())
        return calls[-1][1] if calls and any("killed by SIGKILL" in line for line in self.lines) else ""


def await_attached(tracer: subprocess.Popen[bytes]) -> None:
    """Until strace holds its thread. Raises AssertionError when it cannot."""
    assert tracer.stderr is not None
    deadline, heard = time.monotonic() + ATTACH_S, b""
    while b"attached" not in heard:
        ready, _, _ = select.select([tracer.stderr], [], [], max(0.0, deadline - time.monotonic()))
        part = os.read(tracer.stderr.fileno(), 4096) if ready else b""
        if not part:
            tracer.kill()
            raise AssertionError(f"strace did not attach: {heard!r}")
        heard += part


class Tracer:
    """strace attached to one thread. `inject`: what it does to it, in strace's own words (`fdatasync:error=EIO:when=1`)."""

    def __init__(self, tid: int, role: str, log: Path, inject: str = "") -> None:
        program = strace()
        assert program is not None, "no strace"
        self.log = log
        command = [program, "-p", str(tid), "-o", str(log), "-s", "48", "-e", f"trace={','.join(CALLS[role])}"]
        if inject:
            command += ["-e", f"inject={inject}"]
        self.process = subprocess.Popen(command, env=environment(), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        await_attached(self.process)

    def leave(self) -> Trace:
        """Let go of the thread; what was seen until now."""
        self.process.terminate()
        return self.finish()

    def finish(self) -> Trace:
        """What it saw, after the end of the process it looked at."""
        try:
            self.process.wait(ATTACH_S)
        finally:
            assert self.process.stderr is not None
            self.process.stderr.close()
        return Trace.read(self.log)
