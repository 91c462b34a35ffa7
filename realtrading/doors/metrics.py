"""The metrics listener of one engine: /metrics, /healthz and /readyz, open before its start and after its end."""
from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from realtrading.domain.settings import Listen
from realtrading.engine import RealTradingEngine
from realtrading.errors import BadInput
from realtrading.metrics.families import families
from realtrading.metrics.view import view_of
from realtrading.runtime.exporter import MetricsServer, new_registry

EXIT_OCCUPIED = 75


class LogCounter(logging.Handler):
    """Counts the records of our loggers by level. Process-wide, as logging is."""

    def __init__(self) -> None:
        super().__init__()
        self.records: dict[str, int] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Count one; logging calls this under the handler's own lock."""
        level = record.levelname.lower()
        self.records[level] = self.records.get(level, 0) + 1


class EngineMetrics:
    """One listener for one engine; make it with `open_metrics`, end it with `close`."""

    def __init__(
        self, engine: RealTradingEngine, listen: str, watchdog_fed_utc_s: Callable[[], float | None]
    ) -> None:
        self._log = LogCounter()
        registry = new_registry(lambda: families(view_of(engine, watchdog_fed_utc_s, self._log.records.copy())))
        self._server = MetricsServer(listen, registry, lambda: _health(engine))
        logging.getLogger("realtrading").addHandler(self._log)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port really bound."""
        return self._server.address

    @property
    def url(self) -> str:
        """Where a scrape finds it."""
        host, port = self.address
        return f"http://{Listen(host=host, port=port)}/metrics"

    def close(self) -> bool:
        """Stop listening; True if every thread is gone. Idempotent."""
        logging.getLogger("realtrading").removeHandler(self._log)
        return self._server.close()


def open_metrics(
    engine: RealTradingEngine,
    listen: Listen | None,
    *,
    watchdog_fed_utc_s: Callable[[], float | None] = lambda: None,
) -> EngineMetrics | None:
    """Begin to serve the engine's metrics at `listen`; None (no address in the settings) serves nothing.

    `watchdog_fed_utc_s` tells when the service manager's watchdog was last fed. Raises `BadInput` (exit code 75) naming
    the address when it cannot be had.
    """
    if listen is None:
        return None
    try:
        return EngineMetrics(engine, str(listen), watchdog_fed_utc_s)
    except OSError as error:
        raise BadInput(f"metrics cannot listen on {listen}: {error.strerror}", exit_code=EXIT_OCCUPIED) from error


def _health(engine: RealTradingEngine) -> tuple[bool, dict[str, Any]]:
    """Alive means that every critical actor progresses; ready, that new exposure may be taken on."""
    phase, ready = engine.phase, engine.is_ready
    particulars = {"phase": phase, "ready": ready, "why": engine.failure or engine.why_not_ready()}
    if phase != "started":
        return phase not in ("failed", "stopped"), particulars
    healthy, more = engine.house.health()
    return healthy, {**particulars, **more}
