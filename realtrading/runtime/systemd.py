"""systemd: tells the service manager how we are (sd_notify) and feeds its watchdog only while we are well."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Mapping


class Notifier:
    """Sends notifications to the service manager; without one (no `NOTIFY_SOCKET`) every call does nothing.

    A notification that cannot be delivered is dropped: it must never stop trading.
    """

    def __init__(self, address: str | None, watchdog_s: float | None = None) -> None:
        self._address = None if not address else ("\0" + address[1:] if address.startswith("@") else address)
        self._watchdog_s = watchdog_s
        self._watchdog: Watchdog | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Notifier:
        """The notifier that `NOTIFY_SOCKET` names, with the watchdog that `WATCHDOG_USEC` asks for."""
        settings = os.environ if environ is None else environ
        return cls(settings.get("NOTIFY_SOCKET"), watchdog_interval_s(settings))

    def watch(self, healthy: Callable[[], bool]) -> None:
        """Feed the watchdog from now until `close`, but only while `healthy()`. Without a watchdog nothing is started."""
        if self._address is not None and self._watchdog_s is not None and self._watchdog is None:
            self._watchdog = Watchdog(self, self._watchdog_s, healthy)

    @property
    def last_fed_utc_s(self) -> float | None:
        """Wall time of the last feeding of the watchdog, None before the first."""
        return None if self._watchdog is None else self._watchdog.last_fed_utc_s

    def close(self) -> bool:
        """Stop feeding the watchdog; True if its thread is gone."""
        watchdog, self._watchdog = self._watchdog, None
        return watchdog is None or watchdog.close()

    def send(self, *lines: str) -> bool:
        """Send `KEY=value` lines as one datagram; whether it was handed over."""
        if self._address is None:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify:
                notify.setblocking(False)
                notify.sendto("\n".join(lines).encode(), self._address)
        except OSError:
            return False
        return True

    def ready(self, status: str = "") -> bool:
        """Reconciled and trading; also the end of a reload."""
        return self.send("READY=1", *_status(status))

    def status(self, text: str) -> bool:
        """One line for people."""
        return self.send(*_status(text))

    def reloading(self) -> bool:
        """A reload begins; `ready` ends it."""
        return self.send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, status: str = "") -> bool:
        """An orderly stop begins."""
        return self.send("STOPPING=1", *_status(status))

    def extend_timeout(self, seconds: float) -> bool:
        """Starting or stopping goes on; allow this much more time from now."""
        return self.send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1_000_000)}")

    def watchdog(self) -> bool:
        """We are well."""
        return self.send("WATCHDOG=1")

    def watchdog_trigger(self) -> bool:
        """We are beyond help: act as if the watchdog had run out."""
        return self.send("WATCHDOG=trigger")


def _status(text: str) -> tuple[str, ...]:
    return (f"STATUS={' '.join(text.split())}",) if text else ()


def watchdog_interval_s(environ: Mapping[str, str] | None = None) -> float | None:
    """Seconds between feedings: half of `WATCHDOG_USEC`. None without a watchdog, or if it is another process's."""
    settings = os.environ if environ is None else environ
    usec, pid = settings.get("WATCHDOG_USEC", ""), settings.get("WATCHDOG_PID", "")
    if not usec.isdecimal() or int(usec) == 0 or (pid and pid != str(os.getpid())):
        return None
    return int(usec) / 2_000_000


class Watchdog:
    """Feeds the watchdog from a thread of its own every `interval_s` seconds, but only while `healthy()`.

    `last_fed_utc_s` is the wall time of the last feeding, None before the first. A `healthy` that raises is a no.
    """

    def __init__(self, notifier: Notifier, interval_s: float, healthy: Callable[[], bool]) -> None:
        self._notifier = notifier
        self._interval_s = interval_s
        self._healthy = healthy
        self._ending = threading.Event()
        self.last_fed_utc_s: float | None = None
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ending.is_set():
            if self._is_healthy() and self._notifier.watchdog():
                self.last_fed_utc_s = time.time()
            self._ending.wait(self._interval_s)

    def _is_healthy(self) -> bool:
        try:
            return self._healthy()
        except Exception:  # whatever broke the question, the answer is no
            return False

    def close(self, timeout_s: float = 5.0) -> bool:
        """Stop feeding; True if the thread is gone in time."""
        self._ending.set()
        self._thread.join(timeout_s)
        return not self._thread.is_alive()
