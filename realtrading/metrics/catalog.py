"""The one table of exported names: type, labels, help; and the names that wait for a subject. docs/metrics.md shows it."""
from __future__ import annotations

import attrs

from realtrading.runtime.metrics import Kind

PREFIX = "realtrading_"


@attrs.frozen
class Metric:
    """One exported name, without the prefix. Counters end in `_total`, infos in `_info`."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str

    @property
    def full_name(self) -> str:
        """The name on the page."""
        return PREFIX + self.name


def _counter(name: str, labels: str, text: str) -> Metric:
    return Metric(name, "counter", tuple(labels.split()), text)


def _gauge(name: str, labels: str, text: str) -> Metric:
    return Metric(name, "gauge", tuple(labels.split()), text)


def _histogram(name: str, labels: str, text: str) -> Metric:
    return Metric(name, "histogram", tuple(labels.split()), text)


CATALOG: dict[str, tuple[Metric, ...]] = {
    "Engine": (
        Metric("build_info", "info", ("version", "python_binance", "pykka"), "Versions that run."),
        Metric("config_info", "info", ("digest", "mode", "reporting_asset"), "The settings that are in force."),
        Metric("engine_state", "stateset", (), "What the engine is doing now."),
        _gauge("ready", "", "1 while new exposure may be taken on somewhere."),
        _counter("operator_commands_total", "command", "Commands that people gave to the running engine."),
        _gauge("watchdog_last_ping_timestamp_seconds", "", "When the service manager's watchdog was last fed."),
    ),
    "Orders": (
        _counter("orders_submitted_total", "symbol side type strategy", "Orders recorded on disk and sent on to the wire."),
        _counter("orders_closed_total", "symbol side outcome", "Orders that reached an end."),
        _counter("order_rejections_total", "symbol origin reason", "Orders refused, by who said no and why."),
        _gauge("orders_open", "symbol side", "Orders that live at the exchange, or may."),
        _gauge("orders_unknown", "symbol", "Orders of which nobody knows whether they live."),
        _gauge("orders_unknown_oldest_timestamp_seconds", "", "Since when the oldest such order is unknown."),
        _histogram("order_ack_duration_seconds", "type", "From the record on disk to the exchange's first word."),
        _histogram("order_intent_duration_seconds", "", "From the intent's admission to its record on disk: our share."),
    ),
    "Fills": (
        _counter("fills_total", "symbol side liquidity", "Trades of our orders."),
        _histogram("fill_apply_lag_seconds", "stream", "From the trade at the exchange to its booking in the order."),
        _counter("traded_notional_total", "symbol side", "Traded amounts, in the symbol's quote asset."),
        _counter("commission_paid_total", "asset", "Commissions paid, in their own asset."),
        _histogram("fill_slippage_ratio", "type", "How much worse than the best quote at sending a trade was."),
    ),
    "Money": (
        _gauge("balance", "asset kind", "What the house's ledger holds, split by the exchange's word on what is locked."),
        _gauge("position_quantity", "symbol", "Managed quantity, base asset, short is negative."),
        _gauge("position_notional", "symbol", "Managed quantity at the mark, reporting asset."),
        _gauge("equity", "", "Quote assets of the ledger and managed positions at their marks, reporting asset."),
        _gauge("pnl_realized", "symbol", "Lifetime realised result at today's rate, reporting asset."),
        _gauge("pnl_unrealized", "symbol", "Result of what is open at the mark, reporting asset."),
        _gauge("pnl_day", "", "Result since 00:00 UTC as the loss limit counts it, reporting asset."),
    ),
    "Risk": (
        _gauge("risk_limit", "rule scope", "The limit: reporting asset, or a count for positions_max."),
        _gauge("risk_usage", "rule scope", "How much of the limit is used, in the limit's unit."),
        _counter("risk_decisions_total", "rule decision", "Orders that passed all rules, or the rule that refused them."),
        _gauge("breaker_open", "breaker", "1 while a cause of this kind is open, in whatever scope."),
        _counter("breaker_trips_total", "breaker reason", "Causes that opened, by kind and what opened them."),
    ),
    "Exchange": (
        _counter("exchange_requests_total", "endpoint method status", "Requests that ended, by class of status."),
        _histogram("exchange_request_duration_seconds", "endpoint method", "Time to the answer, or to its absence."),
        _counter("exchange_errors_total", "code", "The exchange's own error codes."),
        _gauge("exchange_rate_limit_used", "limiter", "What the exchange says we have used."),
        _gauge("exchange_rate_limit_max", "limiter", "What the exchange allows."),
        _gauge("exchange_backoff_until_timestamp_seconds", "", "Until when the exchange wants silence; 0 when it never did."),
        _gauge("exchange_clock_offset_seconds", "", "The exchange's clock minus ours."),
        _gauge("exchange_filters_timestamp_seconds", "", "When the symbols' rules were last read."),
        _counter("exchange_oddities_total", "kind", "What the exchange sent that could not be used."),
    ),
    "Streams": (
        _gauge("stream_connected", "stream", "1 while events can come."),
        _counter("stream_reconnects_total", "stream reason", "Connections that were lost and built anew, by why they ended."),
        _counter("stream_events_total", "stream event", "Events heard."),
        _gauge("stream_last_event_timestamp_seconds", "stream", "When the last event was heard."),
        _counter("stream_gaps_total", "stream", "Trades that the stream ought to have told and a snapshot told instead."),
        _gauge("quote_timestamp_seconds", "symbol", "When the symbol's last quote was heard."),
    ),
    "Actors": (
        _gauge("actor_alive", "actor", "1 while an incarnation of the actor takes letters."),
        _gauge("actor_expected", "actor", "Incarnations that should be alive."),
        _counter("actor_failures_total", "actor exception", "Ends of an actor, by exception class."),
        _counter("actor_restarts_total", "actor cause", "Restarts, by cause."),
        _gauge("actor_mailbox_messages", "actor", "Letters waiting or in work."),
        _counter("actor_mailbox_dropped_total", "actor", "Letters dropped at a cap."),
        _counter("actor_letters_set_aside_total", "actor", "Letters that will not be tried again."),
        _histogram("actor_mailbox_wait_seconds", "actor", "Time from put to the start of handling."),
        _histogram("actor_message_duration_seconds", "actor message", "Handling and commit of one message."),
        _gauge("actor_heartbeat_timestamp_seconds", "actor", "When the actor last showed progress."),
        _counter("supervisor_escalations_total", "actor", "Times the supervisor gave up on the actor."),
    ),
    "Reconcile": (
        _counter("reconcile_runs_total", "trigger result", "Rounds that ended."),
        _histogram("reconcile_duration_seconds", "", "Length of rounds that compared everything they could."),
        _gauge("reconcile_last_success_timestamp_seconds", "", "When a round last ended clean."),
        _counter("reconcile_discrepancies_total", "kind resolution", "Differences found, and what was done about them."),
        _gauge("reconcile_unresolved", "kind", "Differences of the last round that nobody can explain."),
        _gauge("ledger_residual", "asset", "What the exchange held beyond our ledger when last compared, in the asset."),
    ),
    "Journal": (
        _counter("journal_records_total", "kind", "Records written since the journal was opened."),
        _histogram("journal_commit_duration_seconds", "", "One transaction, its sync included."),
        _gauge("journal_size_bytes", "", "The journal's file and its write-ahead log."),
        _counter("journal_errors_total", "", "Failures of the disk; the first one ends the process."),
        _gauge("state_filesystem_free_bytes", "", "Space a normal user has left where the journal is."),
    ),
    "Edges": (_counter("log_records_total", "level", "Log records of this process, by level."),),
}
"""Group -> its names. Every one is on every page, though some have no sample before the first thing happens."""

NOT_YET: dict[str, str] = {
    "config_last_reload_successful": "settings are read once, at the start; reloading comes with the control API",
    "config_last_reload_success_timestamp_seconds": "as above",
    "equity_peak": "the high-water mark comes with the drawdown rule and its durable record",
    "drawdown_ratio": "as above",
    "notifications_total": "there are no notification channels yet",
    "http_requests_total": "there is no control API yet",
    "http_request_duration_seconds": "there is no control API yet",
    "retries_total": "no retry library is in use: each hand's repetition is a generation, a round or a look of its own",
}
"""Planned name -> why it is not exported."""

BY_NAME: dict[str, Metric] = {metric.name: metric for group in CATALOG.values() for metric in group}


def tables() -> str:
    """The catalog as Markdown, for docs/metrics.md."""
    lines = []
    for group, metrics in CATALOG.items():
        lines += [f"### {group}", "", "| Name | Type | Labels | Meaning |", "|---|---|---|---|"]
        lines += [
            f"| `{each.full_name}` | {each.kind} | {', '.join(each.labels) or '–'} | {each.help} |" for each in metrics
        ]
        lines.append("")
    lines += ["### Not yet", "", "| Name | Why |", "|---|---|"]
    lines += [f"| `{PREFIX}{name}` | {why} |" for name, why in NOT_YET.items()]
    return "\n".join(lines)
