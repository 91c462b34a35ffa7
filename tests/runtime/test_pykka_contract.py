"""What Pykka itself does, measured: sixteen behaviours the runtime is built around. If one changes, this says which."""

import contextlib
import gc
import logging
import queue
import threading
import time
import traceback
from collections.abc import Iterator
from typing import Any

import pykka
import pytest
from pykka._envelope import Envelope
from pykka.messages import _ActorStop

from waiting import wait_until


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    """End what a test leaves in Pykka's registry; its zombies are daemon threads."""
    before = set(pykka.ActorRegistry.get_all())
    yield
    for ref in pykka.ActorRegistry.get_all():
        if ref not in before:
            pykka.ActorRegistry.unregister(ref)
            with contextlib.suppress(queue.Full):
                ref.actor_inbox.put_nowait(Envelope(_ActorStop()))


class Plain(pykka.ThreadingActor):
    """Does what the message says; remembers what was called on it."""

    use_daemon_thread = True

    def __init__(self, calls: list[str] | None = None, **hooks: Any) -> None:
        super().__init__()
        self.calls = [] if calls is None else calls
        self.hooks = hooks

    def _run_hook(self, name: str) -> None:
        self.calls.append(name)
        if name in self.hooks:
            self.hooks[name]()

    def on_start(self) -> None:
        self._run_hook("on_start")

    def on_stop(self) -> None:
        self._run_hook("on_stop")

    def on_failure(self, *_: Any) -> None:
        self.calls.append("alive" if self.actor_ref.is_alive() else "dead")
        self._run_hook("on_failure")

    def on_receive(self, message: Any) -> Any:
        return message() if callable(message) else message


def fail(error: BaseException) -> Any:
    """A message that raises `error`."""

    def message() -> None:
        raise error

    return message


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """An event actors wait on; opened at the end."""
    event = threading.Event()
    yield event
    event.set()


def test_01_on_failure_runs_when_the_actor_is_already_dead() -> None:
    """A handler's exception under tell first unregisters the actor and marks it stopped, then calls on_failure."""
    calls: list[str] = []
    ref = Plain.start(calls)
    ref.tell(fail(ValueError()))
    wait_until(lambda: "on_failure" in calls, 5, "on_failure")
    assert calls == ["on_start", "dead", "on_failure"]
    assert ref not in pykka.ActorRegistry.get_all()


def test_02_an_exception_under_ask_goes_to_the_caller_and_the_actor_lives() -> None:
    """The actor that failed an ask goes on with whatever state it has, and on_failure is not called."""
    calls: list[str] = []
    ref = Plain.start(calls)
    with pytest.raises(ValueError):
        ref.ask(fail(ValueError()), timeout=5)
    assert ref.ask("still here", timeout=5) == "still here"
    assert "on_failure" not in calls


def test_03_an_exception_in_on_start_calls_no_hook() -> None:
    """The actor stops, and neither on_failure nor on_stop runs."""
    calls: list[str] = []
    ref = Plain.start(calls, on_start=fail(ValueError()))
    wait_until(lambda: not ref.is_alive(), 5, "the actor is dead")
    assert calls == ["on_start"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_04_a_base_exception_in_on_start_leaves_a_zombie() -> None:
    """The thread is gone, yet the actor says it is alive, stays registered and takes letters for ever."""
    before = set(threading.enumerate())
    ref = Plain.start([], on_start=fail(SystemExit()))
    wait_until(lambda: set(threading.enumerate()) <= before, 5, "its thread has ended")
    ref.tell("lost")
    assert ref.is_alive()
    assert ref in pykka.ActorRegistry.get_all()
    assert not ref.actor_inbox.empty()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_05_a_base_exception_in_a_handler_stops_every_actor() -> None:
    """SystemExit in one actor stops its neighbours too, and who asked gets no answer."""
    neighbour, villain = Plain.start(), Plain.start()
    answer = villain.ask(fail(SystemExit()), block=False)
    wait_until(lambda: not neighbour.is_alive(), 5, "the neighbour is dead")
    with pytest.raises(pykka.Timeout):
        answer.get(timeout=0.05)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_06_a_base_exception_in_on_failure_leaves_pending_asks_hanging(gate: threading.Event) -> None:
    """The mailbox is not drained, so a pending ask waits until its own timeout."""
    ref = Plain.start([], on_failure=fail(SystemExit()))
    ref.tell(lambda: gate.wait(5))
    ref.tell(fail(ValueError()))
    pending = ref.ask("anybody?", block=False)
    gate.set()
    wait_until(lambda: not ref.is_alive(), 5, "the actor is dead")
    with pytest.raises(pykka.Timeout):
        pending.get(timeout=0.05)


def test_07_teardown_throws_pending_letters_away_without_a_word(
    gate: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    """Pending asks get ActorDeadError; pending tells vanish, and the log does not mention them."""
    heard: list[str] = []
    ref = Plain.start()
    ref.tell(lambda: gate.wait(5))
    ref.tell(fail(ValueError()))
    ref.tell(lambda: heard.append("tell"))
    pending = ref.ask("anybody?", block=False)
    with caplog.at_level(logging.INFO, logger="pykka"):
        gate.set()
        with pytest.raises(pykka.ActorDeadError):
            pending.get(timeout=5)
    assert heard == []
    assert ref.actor_inbox.empty()
    assert not any("heard" in record.getMessage() for record in caplog.records)


def test_08_a_put_after_the_last_look_is_lost_in_a_dead_queue() -> None:
    """Between is_alive and the put an actor may die: the letter then lies in a queue nobody reads."""
    ref = Plain.start()
    assert ref.is_alive()
    ref.stop(timeout=5)
    answer = pykka.ThreadingFuture()
    ref.actor_inbox.put(Envelope("too late", reply_to=answer))
    with pytest.raises(pykka.Timeout):
        answer.get(timeout=0.05)
    assert not ref.actor_inbox.empty()


def test_09_stopping_waits_behind_every_letter_and_hides_on_stops_failure(gate: threading.Event) -> None:
    """stop() is a letter at the tail: earlier letters are handled first; on_stop's exception still gives True."""
    heard: list[int] = []
    ref = Plain.start([], on_stop=fail(ValueError()))
    ref.tell(lambda: gate.wait(5))
    for number in range(5):
        ref.tell(lambda number=number: heard.append(number))
    stopped = ref.stop(block=False)
    gate.set()
    assert stopped.get(timeout=5) is True
    assert heard == [0, 1, 2, 3, 4]


def test_10_stop_all_gives_up_at_the_first_hanging_actor(gate: threading.Event) -> None:
    """It stops in reverse order, and those started before the hanging one are never asked."""
    first, hanging = Plain.start(), Plain.start()
    hanging.tell(lambda: gate.wait(5))
    with pytest.raises(pykka.Timeout):
        pykka.ActorRegistry.stop_all(timeout=0.05)
    assert first.is_alive()
    assert first.ask("still served", timeout=5) == "still served"


class Bounded(Plain):
    """An actor with room for one letter."""

    @staticmethod
    def _create_actor_inbox() -> Any:
        return queue.Queue(maxsize=1)


def test_11_with_a_bounded_inbox_telling_and_stopping_block(gate: threading.Event) -> None:
    """tell blocks on a full inbox, and stop's timeout does not cover the put."""
    ref = Bounded.start()
    entered = threading.Event()
    ref.tell(lambda: entered.set() or gate.wait(5))
    assert entered.wait(5)
    ref.tell("fills the inbox")
    opener = threading.Timer(0.3, gate.set)
    opener.start()
    began = time.monotonic()
    with contextlib.suppress(pykka.Timeout):
        ref.stop(timeout=0.05)
    assert time.monotonic() - began >= 0.2
    opener.join(5)


def test_12_mutual_ask_deadlocks_until_a_timeout() -> None:
    """Two actors that ask each other wait until one gives up; without a timeout for ever."""
    one, other = Plain.start(), Plain.start()
    nested = one.ask(lambda: other.ask(lambda: one.ask("me", timeout=0.1), timeout=5), block=False)
    with pytest.raises(pykka.Timeout):
        nested.get(timeout=5)


def test_13_without_a_thread_the_actor_still_counts_as_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the system refuses a thread, start raises, but the actor stays registered."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    before = set(pykka.ActorRegistry.get_all())
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError):
        Plain.start()
    monkeypatch.undo()
    (zombie,) = set(pykka.ActorRegistry.get_all()) - before
    assert zombie.is_alive()


class HoldsSecret(Plain):
    """Has something in memory nobody should see."""

    def __init__(self) -> None:
        super().__init__()
        self.secret = "api-secret"

    def leak(self) -> None:
        secret = self.secret
        raise ValueError(len(secret))


def test_14_proxies_and_exceptions_hold_on_to_the_dead() -> None:
    """A proxy keeps the dead actor's object; an answer's traceback carries the locals of its frames."""
    proxy = HoldsSecret.start().proxy()
    with pytest.raises(ValueError) as caught:
        proxy.leak().get(timeout=5)
    proxy.stop().get(timeout=5)
    gc.collect()
    assert proxy._actor.secret == "api-secret"
    frames = [frame.f_locals for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    assert any(frame.get("secret") == "api-secret" for frame in frames)


def test_15_actor_threads_are_not_daemons_by_default() -> None:
    """An actor nobody stops keeps the process alive."""
    before = set(threading.enumerate())
    ref = pykka.ThreadingActor.start()
    (thread,) = set(threading.enumerate()) - before
    assert not pykka.ThreadingActor.use_daemon_thread
    assert not thread.daemon
    assert ref.stop(timeout=5)


def test_16_the_operations_work() -> None:
    """Telling, asking and two hundred restarts do what they say; how fast is a benchmark's matter."""
    heard: list[int] = []
    ref = Plain.start()
    for number in range(1000):
        ref.tell(lambda number=number: heard.append(number))
    assert ref.ask(lambda: len(heard), timeout=5) == 1000
    assert ref.stop(timeout=5)
    assert all(Plain.start().stop(timeout=5) for _ in range(200))
