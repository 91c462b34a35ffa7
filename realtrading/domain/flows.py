"""Why a balance moved without an order of ours: what the venue's histories tell, and which of it explains a difference.

Booked is only what explains a difference exactly, each identity once, and never what the stream has told already: the
stream's word carries no identity, so it and the histories are matched one to one by asset, amount and nearest time.
"""
from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import attrs

from .balances import LedgerLine
from .movements import FlowKind, Movement, flow_key
from .values import ZERO

NEAR: Final = timedelta(hours=2)
"""A history may date a movement by its application, the stream by its booking: so far apart they may be the same."""
SUBSETS_OF: Final = 12
"""Among so many candidates any choice is tried; among more only all up to some moment."""

@attrs.frozen(kw_only=True)
class Explanation:
    """What the histories tell of the differences: `booked` movements with those of their deltas that nobody told yet, and
    `told` (asset, key): the history's name for what the stream told.
    """

    booked: tuple[Movement, ...]
    told: tuple[tuple[str, str], ...]


def is_history_of(line: LedgerLine, at: datetime, amount: Decimal) -> bool:
    """Whether what the stream tells now was booked from a history before: then it is known, and moves nothing."""
    key = flow_key(at, amount)
    told, histories = _told(line), _histories(line)
    left = _unmatched([*told, (at, amount, key)], histories)
    return key not in {each[2] for each in left}


def explain(
    residuals: Mapping[str, Decimal],
    movements: Iterable[Movement],
    lines: Mapping[str, LedgerLine],
    since: datetime,
    free: Iterable[str] = (),
) -> Explanation:
    """Which movements explain the residuals (exchange - ledger, by asset), exactly; those after `since` before others.

    `free` assets could not be compared: a movement may touch them. Every other asset agrees and must go on to agree.
    """
    open_deltas, told = _open_legs(list({(each.kind, each.id): each for each in movements}.values()), lines)
    free = frozenset(free)
    booked: list[Movement] = []
    for group in _connected(open_deltas):
        wanted = {asset for each in group for asset in each.deltas} - free
        asked = {asset: residuals.get(asset, ZERO) for asset in wanted}
        chosen = _best([each for each in group if each.at >= since], asked)
        every = _best(group, asked)
        booked += every if _score(every, asked) > _score(chosen, asked) else chosen
    return Explanation(booked=tuple(booked), told=tuple(told))


def _open_legs(
    movements: Sequence[Movement], lines: Mapping[str, LedgerLine]
) -> tuple[list[Movement], list[tuple[str, str]]]:
    """The movements without what is booked or told of them already, and what was told under no identity so far."""
    told: list[tuple[str, str]] = []
    known: set[tuple[str, str]] = set()
    for asset in sorted({asset for each in movements for asset in each.deltas}):
        line = lines.get(asset)
        if line is None:
            continue
        seen = {_identity(key) for key in line.seen}
        fresh = [each for each in movements if asset in each.deltas and _identity(each.key(asset)) not in seen]
        known |= {(asset, each.key(asset)) for each in movements if asset in each.deltas and each not in fresh}
        flows = [each for each in fresh if each.kind is not FlowKind.EXTERNAL_TRADE]
        words = _unmatched(_told(line), _histories(line))
        untold = _unmatched([(each.at, each.deltas[asset], each.key(asset)) for each in flows], words)
        left = {key for _, _, key in untold}
        told += [(asset, each.key(asset)) for each in flows if each.key(asset) not in left]
    known |= set(told)
    legs = []
    for each in movements:
        rest = {asset: delta for asset, delta in each.deltas.items() if delta and (asset, each.key(asset)) not in known}
        if rest:
            legs.append(attrs.evolve(each, deltas=rest))
    return sorted(legs, key=lambda each: (each.at, each.kind, each.id)), told


def _connected(movements: Sequence[Movement]) -> Iterable[list[Movement]]:
    """Groups that have no asset in common: each is judged by itself. Their movements stay in the order of time."""
    groups: list[tuple[set[str], list[Movement]]] = []
    for each in movements:
        mine = set(each.deltas)
        touched = [group for group in groups if group[0] & mine]
        groups = [group for group in groups if not group[0] & mine]
        assets = mine.union(*(group[0] for group in touched))
        members = [*(member for group in touched for member in group[1]), each]
        groups.append((assets, members))
    return [sorted(members, key=lambda each: (each.at, each.kind, each.id)) for _, members in groups]


def _best(group: Sequence[Movement], residuals: Mapping[str, Decimal]) -> list[Movement]:
    """The choice that explains the most assets; none when no choice explains any."""
    best: Sequence[Movement] = ()
    best_score = 0
    for chosen in _choices(group):
        score = _score(chosen, residuals)
        if score > best_score:
            best, best_score = chosen, score
    return list(best)


def _choices(group: Sequence[Movement]) -> Iterable[Sequence[Movement]]:
    """All of them first, then all up to some moment (what is younger than the photograph is not in it), then any."""
    for end in range(len(group), 0, -1):
        yield group[:end]
    if len(group) <= SUBSETS_OF:
        for size in range(1, len(group)):
            yield from itertools.combinations(group, size)


def _score(chosen: Sequence[Movement], residuals: Mapping[str, Decimal]) -> int:
    """How many assets it explains; 0 when it disturbs an asset that agrees, or holds what explains nothing."""
    sums: dict[str, Decimal] = {}
    for each in chosen:
        for asset, delta in each.deltas.items():
            sums[asset] = sums.get(asset, ZERO) + delta
    explained = {asset for asset, amount in residuals.items() if amount and sums.get(asset) == amount}
    disturbed = any(not amount and sums.get(asset) for asset, amount in residuals.items())
    useful = all(explained & each.deltas.keys() for each in chosen)
    return 0 if disturbed or not useful else len(explained)


_Told = tuple[datetime, Decimal, str]


def _unmatched(mine: Sequence[_Told], theirs: Sequence[_Told]) -> list[_Told]:
    """Those of `mine` that have no partner of the same amount near in time among `theirs`; the nearest pair first."""
    pairs = sorted(
        (abs(one[0] - other[0]), index, place)
        for index, one in enumerate(mine)
        for place, other in enumerate(theirs)
        if one[1] == other[1] and abs(one[0] - other[0]) <= NEAR
    )
    taken, given = set[int](), set[int]()
    for _, index, place in pairs:
        if index not in taken and place not in given:
            taken.add(index)
            given.add(place)
    return [one for index, one in enumerate(mine) if index not in taken]


def _told(line: LedgerLine) -> list[_Told]:
    """What the stream told of this asset, as far as it is remembered."""
    found = []
    for key in line.seen:
        if key.startswith("flow:"):
            at, _, amount = key.removeprefix("flow:").rpartition(":")
            found.append((datetime.fromisoformat(at), Decimal(amount), key))
    return found


def _histories(line: LedgerLine) -> list[_Told]:
    """What is remembered under a history's name."""
    found = []
    for key in line.seen:
        if "|" in key:
            _, at, amount, _ = key.split("|", 3)
            found.append((datetime.fromisoformat(at), Decimal(amount), key))
    return found


def _identity(key: str) -> tuple[str, ...]:
    """What a key is about, whatever time a later answer gives it."""
    parts = key.split("|", 3)
    return (parts[0], parts[-1])
