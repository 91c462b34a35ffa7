"""systemd's protocol, against a datagram socket that plays the service manager."""

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from realtrading.runtime.systemd import Notifier, Watchdog, watchdog_interval_s
from waiting import wait_until


class Manager:
    """Receives notifications."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.settimeout(5)

    def next(self) -> list[str]:
        """The lines of the next datagram."""
        return self.socket.recv(4096).decode().split("\n")


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    """On a socket file and on an abstract address."""
    address = str(tmp_path / "notify") if request.param == "path" else f"@realtrading-test-{os.getpid()}"
    played = Manager(address)
    yield played
    played.socket.close()


def test_every_notification_has_systemds_words(manager: Manager) -> None:
    """READY, STATUS, RELOADING with its time, EXTEND_TIMEOUT, WATCHDOG and STOPPING, one datagram each."""
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": manager.address})
    assert notifier.extend_timeout(1.5)
    assert manager.next() == ["EXTEND_TIMEOUT_USEC=1500000"]
    assert notifier.ready("running 3 symbols")
    assert manager.next() == ["READY=1", "STATUS=running 3 symbols"]
    assert notifier.status("two\nlines")
    assert manager.next() == ["STATUS=two lines"]
    assert notifier.reloading()
    reloading, mono = manager.next()
    assert reloading == "RELOADING=1"
    assert mono.removeprefix("MONOTONIC_USEC=").isdecimal()
    assert notifier.watchdog()
    assert manager.next() == ["WATCHDOG=1"]
    assert notifier.watchdog_trigger()
    assert manager.next() == ["WATCHDOG=trigger"]
    assert notifier.stopping()
    assert manager.next() == ["STOPPING=1"]


def test_without_a_manager_nothing_is_sent_and_nothing_raised(tmp_path: Path) -> None:
    """No NOTIFY_SOCKET, or one nobody listens on: the answer is only no."""
    assert not Notifier.from_environment({}).ready()
    assert not Notifier(str(tmp_path / "gone")).watchdog()


@pytest.mark.parametrize(
    ("environ", "interval_s"),
    [
        ({"WATCHDOG_USEC": "20000000"}, 10.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": str(os.getpid())}, 10.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_fed_at_half_its_time_and_only_if_it_is_ours(environ: dict[str, str], interval_s: float | None) -> None:
    """Half of WATCHDOG_USEC, unless WATCHDOG_PID names another process or there is no watchdog."""
    assert watchdog_interval_s(environ) == interval_s


def test_the_watchdog_is_fed_only_while_we_are_well(manager: Manager) -> None:
    """Feeding stops when healthy() says no or fails, goes on when it says yes, and ends with close()."""
    before = set(threading.enumerate())
    answers: dict[str, object] = {"now": True, "asked": 0}

    def healthy() -> bool:
        answers["asked"] = int(str(answers["asked"])) + 1
        if answers["now"] == "broken":
            raise RuntimeError("cannot tell")
        return bool(answers["now"])

    def asked_again() -> None:
        seen = int(str(answers["asked"]))
        wait_until(lambda: int(str(answers["asked"])) >= seen + 3, 5, "it was asked again")

    def drained() -> int:
        manager.socket.setblocking(False)
        count = 0
        try:
            while manager.next() == ["WATCHDOG=1"]:
                count += 1
        except BlockingIOError:
            return count
        finally:
            manager.socket.settimeout(5)
        return -1

    watchdog = Watchdog(Notifier(manager.address), 0.01, healthy)
    assert manager.next() == ["WATCHDOG=1"]
    wait_until(lambda: watchdog.last_fed_utc_s is not None, 5, "the time was noted")
    for bad in (False, "broken"):
        answers["now"] = bad
        asked_again()
        drained()
        asked_again()
        assert drained() == 0
        answers["now"] = True
        assert manager.next() == ["WATCHDOG=1"]
    assert watchdog.close()
    assert set(threading.enumerate()) <= before


def test_watch_feeds_until_close_if_the_environment_asks_for_it(manager: Manager) -> None:
    """One call gives the daemon its watchdog; without WATCHDOG_USEC no thread is started."""
    before = set(threading.enumerate())
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "20000"})
    notifier.watch(lambda: True)
    assert [manager.next(), manager.next()] == [["WATCHDOG=1"], ["WATCHDOG=1"]]
    assert notifier.last_fed_utc_s is not None
    assert notifier.close()
    without = Notifier.from_environment({"NOTIFY_SOCKET": manager.address})
    without.watch(lambda: True)
    assert set(threading.enumerate()) <= before
    assert (without.last_fed_utc_s, without.close()) == (None, True)
