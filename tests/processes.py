"""Processes that tests start: output collected, ended by pid at teardown, none left over."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import netguard
from waiting import DeadlinePassed, wait_until

_END_S = 15.0
_HERE = Path(__file__).resolve().parent


class _Collected:
    """One output stream, gathered by a thread so that a full pipe never blocks the program."""

    def __init__(self, pipe: IO[str]) -> None:
        self.lines: list[str] = []
        self._pipe = pipe
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with self._pipe:
            for line in self._pipe:
                self.lines.append(line.rstrip("\n"))

    def finish(self, deadline_s: float) -> bool:
        """Wait for the stream's end; False when something still holds it open."""
        self._thread.join(deadline_s)
        return not self._thread.is_alive()


class Running:
    """One started program. `out` and `err` are its lines so far."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], cwd: Path) -> None:
        self.command = list(command)
        # its own session, so that whatever it starts can be found again by the group's number
        self.process = subprocess.Popen(
            self.command,
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self._out = _Collected(self.process.stdout)
        self._err = _Collected(self.process.stderr)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def out(self) -> list[str]:
        return self._out.lines

    @property
    def err(self) -> list[str]:
        return self._err.lines

    def __str__(self) -> str:
        tail = "\n".join([*(f"out| {line}" for line in self.out[-20:]), *(f"err| {line}" for line in self.err[-20:])])
        return f"{' '.join(self.command)} (pid {self.pid}, exit {self.process.poll()})\n{tail}"

    def wait_for_line(self, pattern: str, deadline_s: float) -> re.Match[str]:
        """The first line of stdout or stderr, past or to come, in which `pattern` is found.

        Raises `DeadlinePassed` with the program's last lines, at once when it has ended without that line.
        """

        def found() -> re.Match[str] | str | None:
            ended = self.process.poll() is not None and self._out.finish(1) and self._err.finish(1)
            match = next((m for line in [*self.out, *self.err] if (m := re.search(pattern, line))), None)
            return match or ("ended" if ended else None)

        try:
            result = wait_until(found, deadline_s, f"a line matching {pattern!r}")
        except DeadlinePassed as late:
            raise DeadlinePassed(f"{late}\n{self}") from None
        if isinstance(result, str):
            raise DeadlinePassed(f"ended without a line matching {pattern!r}: {self}")
        return result

    def wait(self, deadline_s: float) -> int:
        """Its exit code (negative: a signal's number). Raises `DeadlinePassed` if it still runs after `deadline_s`."""
        try:
            code = self.process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            raise DeadlinePassed(f"still running after {deadline_s} s: {self}") from None
        self._out.finish(_END_S)
        self._err.finish(_END_S)
        return code

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; nothing happens when it has already ended."""
        if self.process.poll() is None:
            self.process.send_signal(number)

    def end(self, deadline_s: float = _END_S) -> list[str]:
        """End it and all it started; returns what was wrong with the way it ended (nothing, when all is well)."""
        problems = []
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        try:
            self.process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            problems.append(f"did not end within {deadline_s} s of SIGTERM: {self}")
            self.send(signal.SIGKILL)
            self.process.wait()
        if _group_lives(self.pid):
            problems.append(f"left processes behind in group {self.pid}: {self}")
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        if not (self._out.finish(_END_S) and self._err.finish(_END_S)):
            problems.append(f"something still holds its output open: {self}")
        problems.extend(f"{self.command}: {line}" for line in self.err if netguard.MARK in line)
        return problems


def _group_lives(group: int) -> bool:
    """Whether a process of the group still runs; one that only waits for its parent to take note has ended."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # pid (name) state parent group …, and the name may hold anything, brackets too
            state, _parent, its_group = stat.read_text(errors="replace").rpartition(")")[2].split()[:3]
        except (OSError, ValueError):  # it ended while we looked
            continue
        if int(its_group) == group and state not in "ZX":
            return True
    return False


class Processes:
    """Starts programs for one test, in a folder of its own. `end_all` ends them in reverse order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: list[Running] = []

    def start(self, *command: str, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Running:
        """Start a program by its path; `env` is added to this process's environment."""
        paths = [str(_HERE / "child"), str(_HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
        whole = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONPATH": os.pathsep.join(paths), **(env or {})}
        running = Running(command, whole, cwd or self.folder)
        self._running.append(running)
        return running

    def python(self, *arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> Running:
        """Start this interpreter: `python("-m", "realtrading", "sim", "serve")`."""
        return self.start(sys.executable, *arguments, env=env, cwd=cwd)

    def forget(self, running: Running) -> None:
        """Leave out of `end_all` a program whose bad end the test has judged itself."""
        self._running.remove(running)

    def end_all(self) -> list[str]:
        """End what still runs; returns every problem met, worst case none."""
        return [problem for running in reversed(self._running) for problem in running.end()]
