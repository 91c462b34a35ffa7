"""`realtrading run`: the daemon. systemd (or a person) starts it; SIGTERM ends it in order."""
from __future__ import annotations

import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import attrs
import click

from realtrading.config import load
from realtrading.doors.logs import configure_logging
from realtrading.doors.metrics import open_metrics
from realtrading.engine import RealTradingEngine
from realtrading.errors import BadInput
from realtrading.runtime.spec import FaultKind
from realtrading.runtime.systemd import Notifier

EXIT_HOUSE_DEAD = 70
EXIT_OCCUPIED = 75
_FAULT = re.compile(r"actor:(?P<name>[a-z_]+(?::[a-z0-9]+)?):(?P<kind>[a-z_]+)@(?P<at>[0-9]+(?:\.[0-9]+)?)")


@attrs.frozen
class TimedFault:
    """A fault to inject so many seconds after the engine is ready."""

    actor: str
    kind: FaultKind
    after_s: float


def fault_of(text: str) -> TimedFault:
    """Read `actor:NAME:KIND@SECONDS`."""
    match = _FAULT.fullmatch(text)
    kinds = ", ".join(kind.value for kind in FaultKind)
    if match is None or match["kind"] not in {kind.value for kind in FaultKind}:
        raise BadInput(f"--fault {text!r}: not actor:NAME:KIND@SECONDS (KIND one of {kinds})")
    return TimedFault(match["name"], FaultKind(match["kind"]), float(match["at"]))


@click.command()
@click.option("--config", "config_file", required=True, type=click.Path(path_type=Path), help="The TOML file.")
@click.option("--fault", "faults", multiple=True, help="actor:NAME:KIND@SECONDS, in mode simulated only; repeatable.")
@click.option("--seconds", type=float, default=None, help="Stop in order after so many seconds (default: run until told).")
@click.pass_obj
def run(end_now: Callable[[int], None], config_file: Path, faults: tuple[str, ...], seconds: float | None) -> int:
    """Run the daemon in the foreground until SIGTERM or SIGINT."""
    configure_logging()
    timed = [fault_of(text) for text in faults]
    settings = load(config_file)
    if timed and settings.mode != "simulated":
        raise BadInput(f"--fault is for mode simulated only, {config_file} says mode {settings.mode}")

    def dead(actor: str, failure: BaseException) -> None:
        sys.stderr.write(f"realtrading: {actor} is dead ({failure}); nothing is sent any more\n")
        sys.stderr.flush()
        end_now(EXIT_HOUSE_DEAD)

    engine = RealTradingEngine(settings, base_dir=config_file.resolve().parent, on_fatal=dead)
    asked_to_stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        asked_to_stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    metrics = open_metrics(engine, settings.metrics_listen)
    notifier = Notifier.from_environment()
    try:
        engine.start(ready_timeout_s=None)
        notifier.watch(engine.house.healthy)
        code = serve(engine, notifier, asked_to_stop, timed, seconds)
    finally:
        notifier.stopping()
        engine.stop()
        notifier.close()
        if metrics is not None:
            metrics.close()
    return code


def serve(
    engine: RealTradingEngine,
    notifier: Notifier,
    asked_to_stop: threading.Event,
    timed: list[TimedFault],
    seconds: float | None,
) -> int:
    """Until a signal, the end of the time, or the end of the house. Returns the exit code."""
    started = time.monotonic()
    waiting = sorted(timed, key=lambda fault: fault.after_s)
    told_ready = False
    while not asked_to_stop.wait(0.05):
        if engine.failure is not None:
            sys.stderr.write(f"realtrading: {engine.failure}\n")
            return EXIT_HOUSE_DEAD
        if engine.is_ready and not told_ready:
            told_ready = True
            started = time.monotonic()
            notifier.ready(f"running {', '.join(engine.settings.symbols)} in mode {engine.settings.mode}")
            sys.stderr.write(f"realtrading: ready, run {engine.run}, mode {engine.settings.mode}\n")
            sys.stderr.flush()
        elapsed = time.monotonic() - started
        while told_ready and waiting and elapsed >= waiting[0].after_s:
            fault = waiting.pop(0)
            engine.inject(fault.actor, fault.kind)
        if seconds is not None and told_ready and elapsed >= seconds:
            return 0
    return 0
