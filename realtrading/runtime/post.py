"""The post office: who hears a message, and the commit that puts an actor's answer."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping

from realtrading.errors import HouseError
from realtrading.runtime.mailbox import Letter, Mailbox
from realtrading.runtime.spec import Receiver
from realtrading.runtime.tables import Entry


class Commit:
    """One answer on its way into the world: entries to put, letters to send, heads to take away.

    It hangs on the mailbox while it is carried out. If the thread dies inside, whoever starts the successor calls
    `finish` again: entries and heads are idempotent, and whether the one message being sent has arrived is looked up. Only
    if its receiver, on another desk, was done with it in that very moment, or long ago, does it arrive twice.
    """

    __slots__ = ("_begun", "_entries", "_handled", "_mailbox", "_outgoing", "_sent")

    def __init__(
        self,
        mailbox: Mailbox,
        handled: tuple[Letter, ...],
        entries: list[Entry],
        outgoing: list[tuple[Mailbox, Letter]],
    ) -> None:
        self._mailbox = mailbox
        self._handled = handled
        self._entries = entries
        self._outgoing = outgoing
        self._sent = 0
        self._begun = -1

    def finish(self) -> None:
        """Carry out what is not yet done. Caller holds the pen."""
        mailbox = self._mailbox
        for table, key, value in self._entries:
            mailbox.tables.put(table, key, value)
        while self._sent < len(self._outgoing):
            receiver, letter = self._outgoing[self._sent]
            if self._begun != self._sent or not receiver.has_seen(letter):
                self._begun = self._sent
                receiver.accept(letter)
            self._sent += 1
        for letter in self._handled:
            mailbox.remove_head(letter)
        mailbox.commit = None


class PostOffice:
    """Looks up receivers, numbers letters and puts them. Any thread; never waits."""

    def __init__(
        self, routes: Mapping[type, tuple[Receiver, ...]], mailboxes: Mapping[str, Mailbox], mono: Callable[[], float]
    ) -> None:
        self._mailboxes = mailboxes
        self._mono = mono
        self._counter = itertools.count(1)
        self._roads: dict[type, tuple[Mailbox | Callable[[object], Iterable[str]], ...]] = {
            kind: tuple(self._box(name, kind) if isinstance(name, str) else name for name in receivers)
            for kind, receivers in routes.items()
        }

    def _box(self, name: str, kind: type) -> Mailbox:
        try:
            return self._mailboxes[name]
        except KeyError:
            raise HouseError(f"routes: {kind.__name__} goes to {name!r}, which is no actor") from None

    def next_seq(self) -> int:
        """The next number of the process-wide sequence."""
        return next(self._counter)

    def receivers(self, message: object) -> list[Mailbox]:
        """The mailboxes a message goes to. Raises HouseError if its type is in no route or a key names no actor."""
        try:
            roads = self._roads[type(message)]
        except KeyError:
            raise HouseError(f"routes: nobody is named for {type(message).__name__}") from None
        boxes: list[Mailbox] = []
        for road in roads:
            if isinstance(road, Mailbox):
                boxes.append(road)
            else:
                boxes.extend(self._box(name, type(message)) for name in road(message))
        return boxes

    def write(self, message: object, *, sender: str, cause: int | None) -> Letter:
        """A numbered letter, not yet put anywhere."""
        return Letter(next(self._counter), cause, sender, message, self._mono())

    def post(self, message: object, *, sender: str, cause: int | None, front: bool = False) -> Letter:
        """Look up, number and put at once. Raises HouseError, before anything is put, if the message has no route."""
        boxes = self.receivers(message)
        letter = self.write(message, sender=sender, cause=cause)
        for box in boxes:
            box.accept(letter, front=front)
        return letter

    def plan(self, mailbox: Mailbox, handled: tuple[Letter, ...], answer: Iterable[object], owns: tuple[type, ...]) -> Commit:
        """Look up all an answer needs, so that carrying it out cannot fail. Raises HouseError without a route."""
        entries: list[Entry] = []
        outgoing: list[tuple[Mailbox, Letter]] = []
        cause = handled[-1].seq
        for message in answer:
            boxes = self.receivers(message)
            if owns and isinstance(message, owns):
                entries.extend(getattr(message, "entries", tuple)())
            letter = Letter(next(self._counter), cause, mailbox.name, message, self._mono())
            for box in boxes:
                outgoing.append((box, letter))
        return Commit(mailbox, handled, entries, outgoing)
