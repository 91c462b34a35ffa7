"""The mailbox: what outlives an actor. Letters, committed tables, a hand's memory, the unfinished commit, counters."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import attrs
from pykka.messages import _ActorStop

from realtrading.errors import HouseError
from realtrading.runtime.metrics import Histogram
from realtrading.runtime.spec import ActorSpec, FaultKind
from realtrading.runtime.tables import Tables

if TYPE_CHECKING:
    from realtrading.runtime.actor import Actor
    from realtrading.runtime.post import Commit, PostOffice

RECENT_LETTERS = 64
FAILURES_KNOWN = ("Hang", "HouseError", "ThreadDied")  # exported at zero from the start; others as they come


class Letter(NamedTuple):
    """A message on its way. One letter per message, shared by all its receivers.

    `seq` grows process-wide; `cause` is the seq of the letter whose handling produced it (None: from outside);
    `put_mono` is the monotonic time, in seconds, at which it was put.
    """

    seq: int
    cause: int | None
    sender: str
    message: object
    put_mono: float


@attrs.frozen
class Missed:
    """Handled first by an actor that drops: so many of its oldest letters are gone, it needs fresh totals."""

    count: int


@attrs.frozen
class Tick:
    """Time has passed for the actor `name`. Put only after the last one was consumed, behind the letters that wait."""

    name: str


class Incarnation:
    """One life of an actor: its epoch and its pen. Whoever pops the pen decides alone what becomes of this life.

    A worker pops it to commit and puts it back; the supervisor pops it to fence and keeps it. Nobody waits for it.
    """

    __slots__ = (
        "actor",
        "ended",
        "epoch",
        "fenced",
        "in_hand",
        "mailbox",
        "office",
        "on_crash",
        "pen",
        "running",
        "started",
    )

    def __init__(self, mailbox: Mailbox, epoch: int, office: PostOffice | None = None) -> None:
        self.mailbox = mailbox
        self.epoch = epoch
        self.office = office
        self.pen: list[int] = [epoch]
        self.actor: Actor | None = None
        self.running = False
        self.started = False
        self.fenced = False
        self.ended = False
        self.in_hand: tuple[Letter, ...] = ()
        self.on_crash: Callable[[BaseException], None] | None = None

    def take_pen(self) -> bool:
        """Try to take the pen: one atomic pop. False: somebody else has it."""
        try:
            self.pen.pop()
        except IndexError:
            return False
        return True

    def fence(self) -> bool:
        """Take the pen for good: this life commits nothing any more and is served no more. False: try again later."""
        if not self.take_pen():
            return False
        self.running, self.fenced = False, True
        return True

    def return_pen(self) -> None:
        """Put the pen back after a commit."""
        self.pen.append(self.epoch)


class Mailbox:
    """The durable side of one actor.

    A letter stays at the head of its queue while it is handled and leaves only in the commit of its consequences:
    so whatever happens to the thread, the letter is still here, and an empty mailbox means that everything it
    caused has been put.
    `put`, `get` and `empty` are the face Pykka sees; there is never anything for Pykka to drain.
    """

    def __init__(self, spec: ActorSpec) -> None:
        self.spec = spec
        self.name = spec.name
        self.front: deque[Letter] = deque()
        self.letters: deque[Letter] = deque()
        self.tables = Tables()
        self.memory: dict[str, Any] = {}
        self.recent: deque[Letter] = deque(maxlen=RECENT_LETTERS)
        self.incumbent: Incarnation | None = None
        self.epoch = 0
        self.commit: Commit | None = None
        self.ring: Callable[[], None] = _nobody_to_wake
        self.busy_since: Callable[[Mailbox], float | None] = _never_busy
        # The ladder's memory: failed tries by letter seq, and how many letters go one by one after a failed batch.
        self.tries: dict[int, int] = {}
        self.singles = 0
        self.fault: FaultKind | None = None
        self.start_faults = 0
        self.tick_waiting = False
        self.given_up = False
        self.stopped = False
        # Counters; written by whoever serves the mailbox, or by the supervisor while nobody does.
        self.handled = 0
        self.dropped = 0
        self.missed_told = 0
        self.set_aside = 0
        self.escalations = 0
        self.failures: dict[str, int] = dict.fromkeys(FAILURES_KNOWN, 0)
        self.restarts: dict[str, int] = {"crash": 0, "hang": 0, "requested": 0}
        self.waits = Histogram()
        self.durations: dict[type, Histogram] = {}
        self.heartbeat_mono = 0.0
        self._refuses_at_hard_cap = spec.drop_oldest or not spec.critical

    def accept(self, letter: Letter, *, front: bool = False) -> bool:
        """Put a letter behind the waiting ones, or on the front road, which is served first. Any thread, no wait.

        False if it was refused at the hard cap, which only actors do that drop or are not critical.
        """
        if front:
            self.front.append(letter)
        elif self._refuses_at_hard_cap and len(self.letters) >= self.spec.hard_cap:
            self.dropped += 1
            return False
        else:
            self.letters.append(letter)
        self.ring()
        return True

    def has_seen(self, letter: Letter) -> bool:
        """Whether this letter waits here, is being handled, or is one of the last that were."""
        return any(letter is each for queue in (self.front, self.letters, self.recent) for each in queue.copy())

    def has_work(self) -> bool:
        """Whether a running actor could be served now."""
        return self.running and bool(self.front or self.letters or self.fault is not None)

    def waiting(self) -> int:
        """Letters not yet committed, the one being handled included."""
        return len(self.front) + len(self.letters)

    def next_letters(self) -> tuple[deque[Letter], tuple[Letter, ...]]:
        """The queue served next and its head: one letter, or up to `batch_max`. They stay in place until committed."""
        if self.front:
            return self.front, (self.front[0],)
        if self.spec.batch_max == 1 or self.singles > 0:
            return self.letters, (self.letters[0],)
        count = min(len(self.letters), self.spec.batch_max)
        return self.letters, tuple(self.letters[index] for index in range(count))

    def remove_head(self, letter: Letter) -> None:
        """Take a letter away if it is still the head of its queue; repeating it does nothing."""
        for queue in (self.front, self.letters):
            if queue and queue[0] is letter:
                queue.popleft()
        if type(letter.message) is Tick:
            self.tick_waiting = False
        self.tries.pop(letter.seq, None)

    def shed(self, seq: int, mono: float) -> None:
        """Drop the oldest letters down to half the soft cap and put `Missed` first. Caller holds the pen."""
        count = len(self.letters) - self.spec.soft_cap // 2
        for _ in range(count):
            self.remove_head(self.letters[0])
        self.dropped += count
        missed, self.missed_told = self.dropped - self.missed_told, self.dropped
        self.front.append(Letter(seq, None, self.name, Missed(missed), mono))

    def note_handled(self, letters: tuple[Letter, ...], started_mono: float, ended_mono: float) -> None:
        """Count a finished commit. Caller holds the pen."""
        self.handled += len(letters)
        self.heartbeat_mono = ended_mono
        self.singles = max(0, self.singles - len(letters))
        for letter in letters:
            self.recent.append(letter)
            self.waits.observe(started_mono - letter.put_mono)
        kind = type(letters[0].message)
        histogram = self.durations.get(kind)
        if histogram is None:
            histogram = self.durations[kind] = Histogram()
        histogram.observe(ended_mono - started_mono)

    @property
    def busy_since_mono(self) -> float | None:
        """Monotonic seconds at which the letter in work was begun; None while idle."""
        return self.busy_since(self)

    @property
    def running(self) -> bool:
        """Whether an actor that has started serves this mailbox."""
        return self.incumbent is not None and self.incumbent.running

    # --- the face Pykka sees -------------------------------------------------------------------------------------

    def put(self, envelope: Any, /) -> None:
        """Accept what `ActorRef.tell` brings. Raises HouseError for Pykka's stop message and for anything that asks."""
        if isinstance(envelope.message, _ActorStop):
            raise HouseError(f"{self.name}: stopping is never a letter; ask the house to stop")
        if envelope.reply_to is not None:
            raise HouseError(f"{self.name}: nobody asks an actor; read its tables")
        if self.incumbent is None or self.incumbent.office is None:
            raise HouseError(f"{self.name}: this mailbox belongs to no house")
        self.accept(self.incumbent.office.write(envelope.message, sender="outside", cause=None))

    def get(self) -> Any:
        """Never used: a desk serves this mailbox, not Pykka's loop."""
        raise HouseError(f"{self.name}: only a desk takes letters out of a mailbox")

    def empty(self) -> bool:
        """Always True: there is nothing here for Pykka to throw away."""
        return True


def _nobody_to_wake() -> None:
    return None


def _never_busy(_: Mailbox) -> float | None:
    return None
