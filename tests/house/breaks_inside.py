"""`breaks_inside.py WHAT SECONDS …`: the daemon, of which something breaks that no fault of the product can break.

WHAT: `gil` (a C call that never lets another thread run), `supervisor` (each of its rounds fails), so many seconds after
its engine is ready.
"""

import ctypes
import sys
import threading
from typing import Any

from realtrading.__main__ import main
from realtrading.engine import RealTradingEngine
from realtrading.runtime.supervisor import Supervisor

what, after_s = sys.argv[1], float(sys.argv[2])
usual = RealTradingEngine.start


def hold_the_gil() -> None:
    ctypes.PyDLL(None).sleep(3_600)  # PyDLL keeps the lock during the call


def break_the_supervisor() -> None:
    def broken(self: Supervisor) -> None:
        raise RuntimeError("the supervisor's own bug")

    Supervisor.round = broken  # type: ignore[method-assign]


def start(self: RealTradingEngine, *given: Any, **named: Any) -> RealTradingEngine:
    """Start, and break later."""
    started = usual(self, *given, **named)
    act = {"gil": hold_the_gil, "supervisor": break_the_supervisor}[what]

    def wait() -> None:
        self._ready.wait()
        threading.Event().wait(after_s)
        act()

    threading.Thread(target=wait, daemon=True).start()
    return started


RealTradingEngine.start = start  # type: ignore[method-assign]
main(sys.argv[3:])
