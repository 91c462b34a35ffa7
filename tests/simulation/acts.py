"""What the nemesis does to the house itself: actors, process, disk, clock."""

import random
import sqlite3
from typing import TYPE_CHECKING, Any

from realtrading.runtime.spec import FaultKind

if TYPE_CHECKING:
    from .nemesis import Nemesis

KEEPERS = ("orders", "positions", "balances", "risk", "breaker", "reconciliation")
HANDS = ("gateway", "lookup", "user_stream", "market_stream", "feed", "strategy:ana", "strategy:bob")
LADDER = ("risk", "breaker", "journal", "gateway")
"""Where an order can grow old."""


class Killed(BaseException):
    """Ends the process in the middle of a commit, or right after it."""


class Acts:
    """One method per act: it says whether it happened now. What is armed is counted when it happens."""

    def __init__(self, nemesis: "Nemesis") -> None:
        self.nemesis, self.world = nemesis, nemesis.world
        self.poisons: dict[str, tuple[str, int]] = {}
        self.slow: dict[str, float] = {}
        self.at_commit: str | None = None
        self.deaths_in_recovery = 0
        self.old_journal_next = False
        self.full_until = 0.0

    def disarm(self) -> None:
        """What has not happened yet will not."""
        self.poisons.clear()
        self.slow.clear()
        self.at_commit, self.old_journal_next, self.deaths_in_recovery = None, False, 0
        self.full_until = 0.0

    # -- actors -----------------------------------------------------------------------------

    def _victim(self, dice: random.Random) -> str:
        return dice.choice(KEEPERS if dice.random() < 0.6 else HANDS)

    def crash(self, dice: random.Random) -> bool:
        """An actor ends by an exception of whatever kind."""
        kind = dice.choice((FaultKind.EXCEPTION, FaultKind.SYSTEM_EXIT, FaultKind.CANCELLED, FaultKind.FAILS_TO_START))
        if self.world.life.alive:
            self.world.life.house.inject(self._victim(dice), kind)
        return self.world.life.alive

    def poison(self, dice: random.Random) -> bool:
        """The next letter of an actor raises in its handler."""
        self.poisons[self._victim(dice)] = (dice.choice(("before", "after")), 1)
        return True

    def poison_twice(self, dice: random.Random) -> bool:
        """And once more for the successor."""
        self.poisons[self._victim(dice)] = (dice.choice(("before", "after")), 2)
        return True

    def poison_often(self, dice: random.Random) -> bool:
        """And again, until the restart budget is spent."""
        self.poisons[dice.choice(KEEPERS)] = (dice.choice(("before", "after")), 14)
        return True

    def hang(self, dice: random.Random) -> bool:
        """The next letter of an actor is fenced while its handler lives, and it wakes up later."""
        self.poisons[self._victim(dice)] = ("hang", 1)
        return True

    def dies_in_commit(self, dice: random.Random) -> bool:
        """The thread dies between two letters of one commit: one of them may arrive twice."""
        self.poisons[self._victim(dice)] = ("commit", 1)
        return True

    def restart(self, dice: random.Random) -> bool:
        """Somebody asks for a restart."""
        if self.world.life.alive:
            self.world.life.house.restart(self._victim(dice))
        return self.world.life.alive

    def slow_actor(self, dice: random.Random) -> bool:
        """An actor's letters wait while everybody else goes on."""
        name = dice.choice(LADDER) if dice.random() < 0.5 else self._victim(dice)
        self.slow[name] = self.world.loop.time() + dice.choice((0.2, 1.5, 4.5, 6.0))
        return True

    # -- process and clock ------------------------------------------------------------------

    def stall(self, dice: random.Random) -> bool:
        """The machine is paused."""
        self.world.desk.stall(dice.choice((0.3, 2.0, 5.5, 8.0)))
        return True

    def kill(self, dice: random.Random) -> bool:
        """kill -9."""
        self.world.life.kill("kill -9")
        return True

    def kill_twice(self, dice: random.Random) -> bool:
        """kill -9, and again in the middle of what follows, up to five deep."""
        self.deaths_in_recovery = dice.choice((1, 2, 5))
        self.world.life.kill("kill -9, and its recovery will be killed too")
        return True

    def dies_again(self) -> float | None:
        """Seconds after its start when this life is killed again; None: it may live."""
        if not self.deaths_in_recovery:
            return None
        self.deaths_in_recovery -= 1
        return self.world.script.dice(f"dies {self.world.life.count}").uniform(0.0, 0.4)

    def clock(self, dice: random.Random) -> bool:
        """Our clock makes a step."""
        self.world.skew_s += dice.choice((-1, 1)) * dice.choice((0.1, 0.4, 0.9, 3.0, 3600.0))
        return True

    # -- disk -------------------------------------------------------------------------------

    def kill_after_commit(self, dice: random.Random) -> bool:
        """kill -9 right after the next intent is on disk."""
        self.at_commit = "kill_after_commit"
        return False

    def torn_journal(self, dice: random.Random) -> bool:
        """kill -9 in the middle of the next commit: its pages are half on disk."""
        self.at_commit = "torn_journal"
        return False

    def disk_full(self, dice: random.Random) -> bool:
        """The next commit finds no space, nor does a start in the seconds that follow."""
        self.at_commit = "disk_full"
        return False

    def slow_fsync(self, dice: random.Random) -> bool:
        """The next commit takes seconds."""
        self.at_commit = "slow_fsync"
        return False

    def old_journal(self, dice: random.Random) -> bool:
        """Some seconds (and perhaps a life) after a copy was made the house dies and gets the copy back."""
        if self.world.life.backup():
            delay_s, context = dice.uniform(1.0, 12.0), self.world.context
            if dice.random() < 0.5:
                self.world.loop.call_later(delay_s * 0.2, self.world.life.kill, "killed after a copy was made", context=context)
            self.world.loop.call_later(delay_s, self._old_journal_back, context=context)
        return False

    def _old_journal_back(self) -> None:
        if self.nemesis.on:
            self.old_journal_next = True
            self.world.life.kill("killed, and an old copy of the journal comes back")

    def append(self, store: Any, records: Any, append: Any) -> Any:
        """One commit of the journal, as the nemesis lets it happen."""
        how, intent = self.at_commit, any(type(each.event).__name__ == "IntentRecorded" for each in records)
        if how is None or (how == "kill_after_commit" and not intent):
            return append(records)
        self.at_commit = None
        if how == "disk_full":
            self.nemesis.did(how)
            self.full_until = self.world.loop.time() + 3.0
            with store._writer.disk():
                raise sqlite3.OperationalError("database or disk is full (simulated)")
        wal = store.path.with_name(store.path.name + "-wal")
        before = wal.stat().st_size if wal.exists() else 0
        done = append(records)
        after = wal.stat().st_size if wal.exists() else 0
        if how == "slow_fsync":
            self.nemesis.did(how)
            self.world.desk.stall(2.5)
            return done
        if how == "torn_journal":
            if after <= before:  # the log began anew: these pages lie somewhere inside
                self.at_commit = how
                return done
            self.world.life.torn = (wal, self.world.script.dice(f"torn {after}").randrange(before, after))
        self.nemesis.did(how)
        raise Killed(how)
