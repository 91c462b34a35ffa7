"""Drives the seeded house in virtual time: some letters, then the network has its turn; the nemesis interferes in between."""

import asyncio
from typing import TYPE_CHECKING, Any

from realtrading.runtime.actor import Actor
from realtrading.runtime.endings import Hang, ThreadDied
from realtrading.runtime.mailbox import Mailbox

if TYPE_CHECKING:
    from .world import World


class Poison(Exception):
    """What the nemesis makes a handler raise."""


class DiesInCommit(BaseException):
    """Ends a thread between two letters of one commit."""


class Desk:
    """The one thread of the simulated process."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self._dice = world.script.dice("desk")
        self._pump: asyncio.TimerHandle | None = None
        self._awake = False
        self._stalled_until = 0.0
        self._deadly: str | None = None

    def ring(self) -> None:
        """There is something to do."""
        if self.world.life.alive and not self._awake:
            self._awake = True
            self._serve_at(self.world.loop.time())

    def stall(self, seconds: float) -> None:
        """The house does nothing for a while: the machine was paused, or a disk was slow."""
        self._stalled_until = max(self._stalled_until, self.world.loop.time() + seconds)

    def rest(self) -> None:
        """The process is gone."""
        if self._pump is not None:
            self._pump.cancel()
        self._awake, self._deadly = False, None

    def _serve_at(self, at: float) -> None:
        if self._pump is not None:
            self._pump.cancel()
        self._pump = self.world.loop.call_at(max(at, self._stalled_until), self._serve, context=self.world.context)

    def _serve(self) -> None:
        """Some letters, then the network has its turn."""
        if not self.world.life.alive:
            return
        self._awake = True
        house, count = self.world.life.house, self._dice.randrange(1, 16)
        # as House.step, without judging everybody again after each letter of one and the same moment
        house.supervisor.round()
        house._ticker.round()
        while count and self._step():
            count -= 1
            if house.supervisor._deaths:
                house.supervisor.round()
        house.supervisor.round()
        house.seeded.do_chores(house.seeded.shift)  # type: ignore[union-attr]
        now = self.world.loop.time()
        if not count:
            self._serve_at(now + self._dice.random() * 0.002)
            return
        self._awake = False
        pause_s = house._ticker.round()
        at = now + (pause_s if pause_s is not None else 1.0)
        if any(box.has_work() for box in house.seeded.mailboxes):  # type: ignore[union-attr]
            at = now + (0.05 if self.world.nemesis.acts.slow else 0.0)
        wards = [w.due_mono for w in house.supervisor._endings.wards.values() if w.due_mono is not None]
        self._serve_at(max(min([at, *wards]), now + 1e-6))

    def _step(self) -> bool:
        """One letter of any mailbox that has work and is not slowed down; False when there is none."""
        seeded, slow = self.world.life.house.seeded, self.world.nemesis.acts.slow
        assert seeded is not None
        if not slow:
            return self._guarded(seeded.step)
        now = self.world.loop.time()
        for name in [name for name, until in slow.items() if until <= now]:
            del slow[name]
        seeded.do_chores(seeded.shift)
        ready = [box for box in seeded.mailboxes if box.has_work() and box.name not in slow]
        if not ready:
            return False
        chosen = ready[self._dice.randrange(len(ready))]
        return self._guarded(lambda: seeded.shift.serve(chosen) or chosen)

    def _guarded(self, step: Any) -> bool:
        try:
            return step() is not None
        except DiesInCommit:
            # as the supervisor does for a thread that ended: whose pen it took with it into its commit gets a new life
            house, name = self.world.life.house, self._deadly
            assert house.seeded is not None
            assert name is not None
            self._deadly, house.seeded.shift.busy = None, None
            life = house.mailbox(name).incumbent
            assert life is not None
            assert not life.pen
            life.running, life.fenced = False, True
            house.supervisor._endings.end(life, "crash", ThreadDied(f"{name}: simulated in its commit"))
            return True

    # -- around every handler ----------------------------------------------------------------

    def decide(self, actor: Actor, letters: Any, now: Any, original: Any) -> Any:
        """Count, poison, watch."""
        how = self._poison(actor.name, letters)
        if how == "before":
            raise Poison("before the handler")
        answer = original(actor, letters, now)
        if how == "after":
            raise Poison("after the handler")
        life = actor._incarnation
        if how == "hang" and life.fence():
            self.world.reached["stale pen"] += bool(answer)
            self.world.life.house.supervisor._endings.end(life, "hang", Hang(f"{actor.name}: simulated"))
            return answer
        if how == "commit" and len(answer) > 0:
            self._kill_in_commit(life.mailbox, len(answer))
        self.world.letters += len(letters)
        for letter in letters:
            self.world.tell_apart(f"{actor.name} {letter.seq} {type(letter.message).__name__}")
        self.world.invariants.handled(actor, letters, answer, now)
        return answer

    def _poison(self, name: str, letters: Any) -> str | None:
        poisons = self.world.nemesis.acts.poisons
        if name not in poisons or type(letters[0].message).__name__ == "Tick":
            return None
        how, left = poisons.pop(name)
        if left > 1:
            poisons[name] = (how, left - 1)
        return how

    def _kill_in_commit(self, mailbox: Mailbox, answers: int) -> None:
        """The coming commit of this mailbox dies right after it has sent one of its letters."""
        office = self.world.life.house.post_office
        plan = office.plan

        def planned(*given: Any) -> Any:
            office.plan = plan  # type: ignore[method-assign]
            commit = plan(*given)
            if commit._outgoing:
                at = self._dice.randrange(len(commit._outgoing))
                receiver, letter = commit._outgoing[at]
                commit._outgoing[at] = (_Deadly(commit._outgoing, at, receiver), letter)
                self._deadly = mailbox.name
                self.world.reached["died in its commit"] += 1
            return commit

        office.plan = planned  # type: ignore[method-assign]


class _Deadly:
    """A receiver that takes its letter, and whose sender dies before it can note that."""

    def __init__(self, outgoing: list[Any], at: int, receiver: Mailbox) -> None:
        self._outgoing, self._at, self._receiver = outgoing, at, receiver

    def accept(self, letter: Any) -> bool:
        """Put, and die."""
        self._outgoing[self._at] = (self._receiver, letter)
        self._receiver.accept(letter)
        raise DiesInCommit
