"""The families about the engine itself, its actors, its rounds, its journal and its log."""
from __future__ import annotations

import functools
from collections.abc import Iterator
from importlib.metadata import version
from itertools import product

import attrs

from realtrading import __version__
from realtrading.domain.breaker import ACCOUNT, CauseKind
from realtrading.domain.events import OrderEvent, PositionEvent
from realtrading.domain.reconciliation import DiscrepancyKind, Resolution
from realtrading.domain.settings import config_digest
from realtrading.runtime.metrics import Family, HistogramValue
from realtrading.runtime.snapshot import ActorSnapshot, actor_families

from .catalog import PREFIX
from .shape import counted, family, moment, single
from .view import View

STATES = ("starting", "reconciling", "running", "reduce_only", "halted", "draining", "stopped")

CONFIRMING = (CauseKind.UNCONFIRMED, CauseKind.STREAM_LOST, CauseKind.KEEPER_LOST, CauseKind.BACKLOG)
"""Causes that wait for nothing but a clean round."""

TRIGGERS = ("start", "stream", "timer", "keeper", "backlog", "revision", "foreign", "operator")
RESULTS = ("clean", "unclean", "failed")
COMMANDS = ("reconcile", "accept")
"""What people may ask of a running engine."""

LEVELS = ("debug", "info", "warning", "error", "critical")

HEAR_ALL = ("journal", "feed", "lookup")
"""They hear almost every message, the journal many at once, and lookup only begins what then takes its time: one series of
durations each instead of forty."""

FAMILIES = {
    kind.__name__: base.__name__ for base in (OrderEvent, PositionEvent) for kind in (base, *base.__subclasses__())
}
"""Messages that a keeper handles by the same code -> their base, which names the series they share."""


def engine(view: View) -> Iterator[Family]:
    """Who runs, with which settings, in which state."""
    yield family("build_info", {_versions(): 1})
    settings = view.settings
    yield family("config_info", {(config_digest(settings), str(settings.mode), settings.reporting_asset): 1})
    now = state_of(view)
    yield single("engine_state", {state: state == now for state in STATES})
    yield single("ready", int(view.ready))
    yield family("operator_commands_total", counted(((name,) for name in COMMANDS), view.tally.commands))
    yield single("watchdog_last_ping_timestamp_seconds", view.watchdog_fed_utc_s)


@functools.cache
def _versions() -> tuple[str, ...]:
    return (__version__, version("python-binance"), version("pykka"))


def state_of(view: View) -> str:
    """One word of STATES. Causes of a narrower scope than the account leave it running; `breaker_open` shows them."""
    ended = {"new": "starting", "starting": "starting", "failed": "halted", "stopping": "draining", "stopped": "stopped"}
    if view.phase in ended:
        return ended[view.phase]
    kinds = {cause.kind for cause in view.breaker.causes if cause.scope == ACCOUNT}
    if not kinds:
        return "running"
    return "reconciling" if kinds <= set(CONFIRMING) else "reduce_only"


def actors(view: View) -> Iterator[Family]:
    """The machinery's own families; the supervisor's surrenders as it told them, listeners and strategies included."""
    name = "supervisor_escalations_total"
    for each in actor_families(tuple(map(condensed, view.actors))):
        if each.name != PREFIX + name:
            yield each
    known = ((actor.name,) for actor in view.actors)
    yield family(name, counted(known, view.tally.escalations))


def condensed(actor: ActorSnapshot) -> ActorSnapshot:
    """The actor with durations of what it has handled only, of kindred messages in one series."""
    grouped: dict[str, list[HistogramValue]] = {}
    for message, value in actor.durations.items():
        if value.count:
            group = "any" if actor.name in HEAR_ALL else FAMILIES.get(message, message)
            grouped.setdefault(group, []).append(value)
    return attrs.evolve(actor, durations={group: _united(tuple(values)) for group, values in grouped.items()})


def _united(values: tuple[HistogramValue, ...]) -> HistogramValue:
    columns = zip(*(value.counts for value in values), strict=True)
    return HistogramValue(values[0].edges, tuple(map(sum, columns)), sum(value.sum for value in values))


def reconcile(view: View) -> Iterator[Family]:
    """Rounds and what they found."""
    tally = view.tally
    kinds = [str(kind) for kind in DiscrepancyKind]
    yield family("reconcile_runs_total", counted(product(TRIGGERS, RESULTS), tally.runs))
    yield single("reconcile_duration_seconds", tally.round_seconds.value())
    yield moment("reconcile_last_success_timestamp_seconds", tally.clean_at)
    found = counted(product(kinds, map(str, Resolution)), tally.discrepancies)
    yield family("reconcile_discrepancies_total", found)
    yield family("reconcile_unresolved", counted(product(kinds), tally.unresolved))
    yield family("ledger_residual", {(asset,): amount for asset, amount in view.residuals.items()})


def journal(view: View) -> Iterator[Family]:
    """The journal's figures."""
    figures = view.journal
    if figures is None:
        return
    yield family("journal_records_total", {(kind,): count for kind, count in figures.records.items()})
    yield single("journal_commit_duration_seconds", view.tally.commits.value())
    yield single("journal_size_bytes", figures.size_bytes)
    yield single("journal_errors_total", int(figures.failed))
    yield single("state_filesystem_free_bytes", figures.free_bytes)


def edges(view: View) -> Iterator[Family]:
    """The log."""
    records = {(level,): count for level, count in view.log_records.items()}
    yield family("log_records_total", counted(product(LEVELS), records))
