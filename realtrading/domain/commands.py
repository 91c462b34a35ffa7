"""What is asked inside the house: verb + noun, many senders, one receiver.

The ladder is Submit -> Vet -> Gate -> Record -> Place: holding the next command is the permission.
"""
from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

import attrs

from .orders import RealOrder
from .reports import SnapshotTaken
from .values import OrderType, Role, Side, TimeInForce


@attrs.frozen(kw_only=True)
class OrderIntent:
    """What somebody wants: an order before anybody has looked at it.

    Exactly one of `quantity` (base units) and `quote_quantity` (quote units, MARKET only) is given. A LIMIT without a
    `price` is priced by orders at the touch plus `default_slippage_percent`. `rests` marks a deliberate resting order,
    which no time-out touches.
    `id` is the client id minted at the door (`ClientId`), so the same intent told twice is one order.
    """

    id: str
    strategy: str
    symbol: str
    side: Side
    order_type: OrderType
    role: Role
    quantity: Decimal | None = None
    quote_quantity: Decimal | None = None
    price: Decimal | None = None
    time_in_force: TimeInForce | None = None
    rests: bool = False


@attrs.frozen(kw_only=True)
class SubmitOrder:
    """Strategy or door -> orders."""

    intent: OrderIntent


@attrs.frozen(kw_only=True)
class VetOrder:
    """orders -> risk: may this order be held against the limits? After `valid_until_mono` it is not signed any more."""

    order: RealOrder
    valid_until_mono: float


@attrs.frozen(kw_only=True)
class GateOrder:
    """risk -> breaker. `reduces` is risk's judgement: the whole order only reduces managed quantity."""

    order: RealOrder
    reduces: bool
    valid_until_mono: float


@attrs.frozen(kw_only=True)
class RecordOrder:
    """breaker -> journal. `gate` is the breaker's gate number, or None for an order that passes shut gates."""

    order: RealOrder
    gate: int | None
    valid_until_mono: float


@attrs.frozen(kw_only=True)
class PlaceOrder:
    """journal -> gateway: it is on disk. `order.valid_until` is the last moment (server time) at which it may be signed."""

    order: RealOrder
    gate: int | None
    valid_until_mono: float


@attrs.frozen(kw_only=True)
class CancelOrder:
    """Anybody -> orders. `by` names who, for the record."""

    id: str
    by: str


@attrs.frozen(kw_only=True)
class PlaceCancel:
    """orders -> gateway, fast lane: cancel by exchange id. `cancel_id` is our id for the cancel itself."""

    id: str
    symbol: str
    exchange_order_id: int
    cancel_id: str


@attrs.frozen(kw_only=True)
class QueryOrder:
    """orders -> lookup: what became of it? With `prove` also read open orders and history since `created_at`."""

    id: str
    symbol: str
    exchange_order_id: int | None
    created_at: datetime
    prove: bool


@attrs.frozen(kw_only=True)
class ListOpenOrders:
    """orders -> lookup: what rests there of this symbol? The canary: it tells what a mute stream does not."""

    symbol: str


@attrs.frozen(kw_only=True)
class EndGeneration:
    """orders -> user_stream: what the stream should have told did not come; give this generation up."""

    generation: int
    detail: str


@attrs.frozen(kw_only=True)
class Reconcile:
    """Anybody -> reconciliation: look now. `trigger` is start, stream, timer, keeper, drift or operator.

    `token` names what asks for it: a round that starts after this was heard covers the token and says so at its end.
    """

    trigger: str
    token: str


@attrs.frozen(kw_only=True)
class PrepareSnapshot:
    """reconciliation -> orders: begin a round; orders knows the trade cursors and sends `TakeSnapshot` on."""

    token: str
    generation: int


@attrs.frozen(kw_only=True)
class TakeSnapshot:
    """orders -> lookup. `cursors`: symbol -> last trade id already known (-1: only find the newest id).

    The answer, `SnapshotTaken`, goes to orders, which merges it before anybody else compares with it.
    """

    token: str
    generation: int
    symbols: tuple[str, ...]
    cursors: Mapping[str, int]


@attrs.frozen(kw_only=True)
class CompareBalances:
    """orders -> balances, after orders merged the snapshot: compare the ledger with it, answer `BalancesCompared`.

    `in_flight_assets` are the assets touched by orders not yet settled: not comparable this round. `asked_at` is the
    moment of the snapshot's first question by our own clock.
    """

    snapshot: SnapshotTaken
    token: str
    in_flight_assets: frozenset[str]
    asked_at: datetime


@attrs.frozen(kw_only=True)
class ExplainBalances:
    """reconciliation -> balances: two looks differ by the same amount; ask for the cause, answer `BalancesExplained`."""

    token: str


@attrs.frozen(kw_only=True)
class QueryMovements:
    """balances -> lookup: what moved these assets without an order, since a moment of the venue's clock?

    `assets` differ, and of `others` nobody knows whether they do: a trade of two of them would explain it, but not one in
    a `watched` symbol, whose trades every round reads anyway. The answer is `MovementsFound`.
    """

    token: str
    since: datetime
    assets: tuple[str, ...]
    others: tuple[str, ...]
    watched: tuple[str, ...]


@attrs.frozen(kw_only=True)
class AcceptDifference:
    """A person -> balances: book what no history explains. `amount` must be the whole difference, exchange - ledger."""

    token: str
    asset: str
    amount: Decimal
    by: str
    reason: str


@attrs.frozen(kw_only=True)
class JudgeReset:
    """orders -> balances: the exchange does not know what it knew. Compare, book nothing, answer `AccountResetSeen` and
    `BalancesCompared`. `gone` names what, `for_s` for how many seconds every look has said so.
    """

    snapshot: SnapshotTaken
    token: str
    gone: tuple[str, ...]
    for_s: float


@attrs.frozen(kw_only=True)
class OpenBreaker:
    """Anybody -> breaker by hand: a MANUAL cause."""

    scope: str
    by: str
    detail: str


@attrs.frozen(kw_only=True)
class CloseBreaker:
    """A person -> breaker: remove the MANUAL and LOSS causes in this scope."""

    scope: str
    by: str
    detail: str


@attrs.frozen(kw_only=True)
class StopStrategies:
    """engine -> every strategy: say good-bye once; from then on only cancels and what reduces the position pass."""

    by: str


@attrs.frozen(kw_only=True)
class CloseVenue:
    """engine -> user_stream, last of all: drop the connection and do not build another."""
