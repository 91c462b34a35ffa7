"""What a test exchange does about once a month: an account's orders, trades and balances are gone and replaced."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from .core import Core
from .pair import Pair


def reset(core: Core, uid: int, balances: Mapping[str, Decimal]) -> None:
    """Forget all that the account ever did and give it these free balances. Nobody is told; fees collected stay."""
    for pair in core.pairs.values():
        for order in pair.open_of(uid):
            pair.stops.pop(order.order_id, None)
            if order.rests:
                pair.book.own(buy=order.is_buy).remove(order)
        _forget(pair, uid)
        core.tell_touch(pair)
    for list_id in [each.list_id for each in core.lists.values() if each.uid == uid]:
        del core.lists[list_id]
    core.ledger.accounts[uid].balances.clear()
    for asset, amount in balances.items():
        core.ledger.move(uid, asset, amount)


def _forget(pair: Pair, uid: int) -> None:
    for order in pair.by_account.pop(uid, []):
        del pair.orders[order.order_id]
    pair.open.pop(uid, None)
    pair.fills.pop(uid, None)
    for key in [key for key in pair.by_client if key[0] == uid]:
        del pair.by_client[key]
