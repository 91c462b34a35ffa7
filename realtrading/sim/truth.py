"""The ledger of truth for judges: balances, orders and trades as they really are."""

from __future__ import annotations

from typing import Any

from .core import Core
from .ledger import HOUSE
from .numbers import plain
from .orders import Fill, Order

Json = dict[str, Any]


def ledger_of_truth(core: Core) -> Json:
    """Accounts (the house left out), collected fees, every order and every fill, oldest first per symbol."""
    accounts: Json = {}
    totals: Json = {}
    for uid, holder in core.ledger.accounts.items():
        if uid == HOUSE:
            continue
        held = sorted(holder.balances.items())
        accounts[str(uid)] = {asset: {"free": plain(b.free), "locked": plain(b.locked)} for asset, b in held}
        totals[str(uid)] = {asset: plain(b.free + b.locked) for asset, b in held}
    return {
        "accounts": accounts,
        "totals": totals,
        "fees": {asset: plain(amount) for asset, amount in sorted(core.ledger.fees.items())},
        "orders": [_order(order) for pair in core.pairs.values() for order in pair.orders.values()],
        "trades": [
            _fill(fill) for pair in core.pairs.values() for fills in pair.fills.values() for fill in fills
        ],
    }


def _order(order: Order) -> Json:
    return {
        "uid": order.uid,
        "symbol": order.symbol,
        "orderId": order.order_id,
        "clientOrderId": order.placed_id,
        "storedClientOrderId": order.client_id,
        "side": order.side,
        "type": order.type,
        "timeInForce": order.tif,
        "price": plain(order.price),
        "origQty": plain(order.qty),
        "origQuoteOrderQty": plain(order.quote_qty),
        "executedQty": plain(order.executed),
        "cummulativeQuoteQty": plain(order.quote_done),
        "status": order.status,
        "expiryReason": order.expiry_reason,
        "time": order.time_ms,
        "updateTime": order.updated_ms,
    }


def _fill(fill: Fill) -> Json:
    return {
        "uid": fill.uid,
        "symbol": fill.symbol,
        "id": fill.trade_id,
        "orderId": fill.order_id,
        "price": plain(fill.price),
        "qty": plain(fill.qty),
        "quoteQty": plain(fill.quote),
        "commission": plain(fill.fee),
        "commissionAsset": fill.fee_asset,
        "time": fill.time_ms,
        "isBuyer": fill.is_buyer,
        "isMaker": fill.is_maker,
        "hidden": fill.hidden,
    }
