"""What a crash point is played on: a forked simulator, and one forked engine after the other on the same journal."""

import asyncio
import ctypes
import json
import os
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs

from house.kit import KEY, SECRET, SYMBOL, WIDE, Judge, engine_for, settings_for
from realtrading.domain.settings import RealTradingConfig
from realtrading.engine import RealTradingEngine
from realtrading.sim.server import SimServer
from realtrading.sim.settings import SimSettings, balances_of

PREFIX = "cp"
LINE_S = 100.0
_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG, _PR_SET_PTRACER = 1, 0x59616D61


def new_server() -> SimServer:
    """A simulated exchange before its first request; every fork of it begins the same."""
    return SimServer.build(SimSettings(
        port=0, key=KEY, secret=SECRET, balances=balances_of(("USDT=1000000", "BTC=1")), symbols=(SYMBOL,), step=True
    ))  # fmt: skip


class Child:
    """One forked process that says lines of JSON and is told to go on."""

    def __init__(self, work: Callable[["Child"], None], log: Path) -> None:
        hears, tells = os.pipe(), os.pipe()
        self.pid = os.fork()
        self._buffer, self._ended = b"", False
        if self.pid == 0:
            os.close(hears[0])
            os.close(tells[1])
            self._out, self._in = hears[1], tells[0]
            _be_a_child(self, work, log)
        os.close(hears[1])
        os.close(tells[0])
        self._in, self._out = hears[0], tells[1]

    # -- in the child -------------------------------------------------------------------------------------------------

    def say(self, **what: Any) -> None:
        """One line for the parent; whole or not at all, for it is shorter than a pipe's buffer."""
        os.write(self._out, json.dumps(what, default=str).encode() + b"\n")

    def await_go(self) -> None:
        """Until the parent says so."""
        os.read(self._in, 1)

    # -- in the parent ------------------------------------------------------------------------------------------------

    def go(self) -> None:
        """Tell it to go on."""
        os.write(self._out, b"g")

    def next(self, deadline_s: float = LINE_S) -> dict[str, Any] | None:
        """Its next line; None when it has ended."""
        deadline = time.monotonic() + deadline_s
        while b"\n" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise AssertionError(f"process {self.pid} said nothing for {deadline_s} s")
            part = os.read(self._in, 65536)
            if not part:
                return None
            self._buffer += part
        line, _, self._buffer = self._buffer.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        return found

    def end(self, number: signal.Signals = signal.SIGKILL) -> int:
        """Send it the signal if it still runs, and wait for its end. Returns the exit code, negative for a signal's."""
        if not self._ended:
            os.kill(self.pid, number)
        return self.wait()

    def wait(self) -> int:
        """Its exit code, negative for a signal's number."""
        assert not self._ended
        _, status = os.waitpid(self.pid, 0)
        self._ended = True
        os.close(self._in)
        os.close(self._out)
        return os.waitstatus_to_exitcode(status)


def die_with_parent() -> None:
    """Whatever happens to who started us, nothing is left behind."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def _be_a_child(child: Child, work: Callable[[Child], None], log: Path) -> None:
    """Work, and leave without a word of the parent's: its buffers, its handlers, its end."""
    code = 1
    try:
        die_with_parent()
        _LIBC.prctl(_PR_SET_PTRACER, ctypes.c_ulong(-1), 0, 0, 0)
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        work(child)
        code = 0
    except BaseException:
        child.say(broken=traceback.format_exc()[-2000:])
    finally:
        sys.stderr.flush()
        os._exit(code)


class ForkedJudge(Judge):
    """The judge's door of a forked simulator."""

    def __init__(self, server: SimServer, log: Path) -> None:
        async def serve(child: Child) -> None:
            await server.start()
            child.say(**server.ready())
            await asyncio.Event().wait()

        self.child = Child(lambda child: asyncio.run(serve(child)), log)
        ready = self.child.next(20)
        assert ready is not None
        self.ready = ready
        self.call("limits", weight_1m=10_000_000, orders_10s=1_000_000, raw_5m=10_000_000)

    def quiet(self) -> None:
        """Until the exchange has noticed that nobody is connected any more: what a dead engine sent has arrived."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            state = self.call("state")
            if not state["user_subscriptions"] and not state["market_connections"]:
                return
        raise AssertionError("connections are left")


def new_engine(judge: Judge, folder: Path) -> RealTradingEngine:
    """The engine of a crash point, not started. An order found without an answer counts as an error: never too many."""
    most = {"max_position_size_usdt": Decimal(1_500), "max_total_exposure_usdt": Decimal(1_500)}
    limits: RealTradingConfig = attrs.evolve(WIDE, circuit_breaker_errors=1_000, **most)
    return engine_for(settings_for(judge, folder, prefix=PREFIX, limits=limits))


def gate_thread(child: Child, name: str) -> None:
    """Make the thread of this name say its number when it is born, and wait until somebody looks at it."""
    usual = threading.Thread.run

    def run(self: threading.Thread) -> None:
        if self.name == name:
            child.say(tid=self.native_id)
            child.await_go()
        usual(self)

    threading.Thread.run = run  # type: ignore[method-assign]
