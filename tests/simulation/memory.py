"""G7 and G8: what a keeper remembers is what the journal gives back, after every message, every death, and from any prefix."""

import random
from typing import TYPE_CHECKING, Any

from realtrading.domain import events as e
from realtrading.domain.commands import PlaceOrder, RecordOrder
from realtrading.domain.orders import OrderState
from realtrading.journal.codec import decode_row
from realtrading.journal.fold import fold_rows

if TYPE_CHECKING:
    from .invariants import Invariants

OWNERS = {
    "orders": "orders", "cursors": "orders", "positions": "positions", "ledger": "balances", "day": "risk",
    "breaker": "breaker", "gate": "breaker",
}  # fmt: skip
"""Table of the journal -> the keeper that owns it."""

WHOLE_EVERY = 120
"""Commits of the journal between two comparisons of whole tables with what is on disk."""

PREFIXES = 2
"""Prefixes of the finished journal that are replayed, each twice."""

_NOT_COMPARED = object()


class Memory:
    """Reads back from disk each row that a commit touched, as soon as the journal has nothing more to write.

    That is what recovery would read: so after every message memory and recovery are compared where they may differ, and
    as a whole now and then, at each recovery and at the end.
    """

    def __init__(self, judge: "Invariants") -> None:
        self.world, self.check = judge.world, judge.check
        self.touched: dict[tuple[str, str], None] = {}
        self.commits = 0
        self.acknowledged: dict[str, None] = {}

    def forget(self) -> None:
        """An old journal came back: what it did not know was not kept."""
        self.acknowledged.clear()

    def born(self) -> None:
        """A new life has been recovered: its tables are the journal's, and know all that was acknowledged."""
        self.touched.clear()
        self.commits = 0
        if self.world.life.count > 1:
            self.compare_whole(skip=("breaker", "gate"))
            self._survived()

    def _survived(self) -> None:
        store = self.world.life.store
        assert store is not None
        known = self.world.life.house.tables("orders")["orders"].snapshot()
        for order_id in [each for each in self.acknowledged if each not in known]:
            archived = any(type(each.event) is e.OrderArchived for each in store.events(order_id=order_id))
            self.check("G8 what was acknowledged survives", archived, f"{order_id} was recorded, and is forgotten")
        self.check("G8 what was acknowledged survives", True)
        self.acknowledged = {each: None for each in self.acknowledged if each in known}

    def journal_answered(self, letters: Any, answer: Any) -> None:
        """The journal has committed a batch; its answer is not sent yet."""
        for message in answer:
            if isinstance(message, PlaceOrder):
                self.touched["orders", message.order.id] = None
                self.acknowledged[message.order.id] = None
        for letter in letters:
            message = letter.message
            if isinstance(message, e.Event) and message.durable and not isinstance(message, RecordOrder):
                for table, key, _ in message.entries():
                    self.touched[table, key] = None
        self.commits += 1
        if self.world.life.house.mailbox("journal").waiting() != len(letters):
            return
        for table, key in self.touched:
            own = self._own_row(table, key)
            if own is not _NOT_COMPARED:
                kept = self._on_disk(table, key)
                self.check("G7 row by row", own == kept, f"{table} {key}: memory {own}, disk {kept}")
        self.touched.clear()
        if self.commits % WHOLE_EVERY == 0:
            self.compare_whole(skip=("breaker", "gate"))

    def _on_disk(self, table: str, key: str) -> Any:
        store = self.world.life.store
        assert store is not None
        asked = "SELECT value FROM current WHERE tbl = ? AND key = ?"
        row = store._writer.connection.execute(asked, (table, key)).fetchone()
        return None if row is None else decode_row(table, row[0])

    def _own_row(self, table: str, key: str) -> Any:
        if table not in OWNERS:
            return _NOT_COMPARED
        tables = self.world.life.house.mailbox(OWNERS[table]).tables
        row = tables[table].get(key)
        if table == "orders" and row is not None and row.state is OrderState.PENDING:
            watch = tables["watches"].get(key)
            if watch is not None and not watch.recorded:
                return _NOT_COMPARED  # on its way to the disk, or its record on its way back
        return row

    def compare_whole(self, skip: tuple[str, ...] = ()) -> None:
        """Each keeper's durable tables are what the disk gives back."""
        store = self.world.life.store
        if store is None:
            return
        for table, owner in OWNERS.items():
            if table in skip:
                continue
            kept = store.rows(table)
            keeper = self.world.life.house.mailbox(owner).tables
            for key in sorted({*keeper[table], *kept}):
                row = self._own_row(table, key)
                if row is not _NOT_COMPARED:
                    self.check("G7 whole", row == kept.get(key), f"{table} {key}: memory {row}, disk {kept.get(key)}")

    def replay_prefixes(self, dice: random.Random) -> None:
        """The same prefix of the journal gives the same tables twice, the whole gives what is on disk, and no more than
        the journal is needed for it."""
        store = self.world.life.store
        assert store is not None
        events = [stored.event for stored in store.events()]
        for length in [dice.randrange(len(events)) for _ in range(PREFIXES)]:
            once, again = fold_rows(events[:length]), fold_rows(events[:length])
            self.check("G7 any prefix, twice", once == again, f"the first {length} records give two states")
        whole = fold_rows(events)
        for table in OWNERS:
            self.check("G7 the whole journal", whole.get(table, {}) == store.rows(table), f"{table} is not its fold")
