"""What must hold after any sequence of requests and tape trades: nothing created, nothing lost, nothing negative."""

from decimal import Decimal as D

from hypothesis import given, settings
from hypothesis import strategies as st

from realtrading.sim.errors import BinanceError
from realtrading.sim.fees import FeeSchedule, Rates
from sim.core_kit import ANN, BOB, NOW, exchange, quote, rules

SYMBOL = "ABCXYZ"
FUNDS = {"ABC": "20", "XYZ": "2000", "BNB": "0.01"}
FEE = FeeSchedule(standard=Rates(maker=D("0.0007"), taker=D("0.0011")), bnb_prices={"XYZ": D(7)})
RULES = rules(SYMBOL, "ABC", "XYZ", tick=D("0.00000001"), step=D("0.00001"), min_qty=D("0.00001"),
              min_price=D("0.00000001"), min_notional=D(1))  # fmt: skip

prices = st.integers(95_00000000, 105_00000000).map(lambda n: str(D(n) / 100_000_000))
amounts = st.integers(1, 500_000).map(lambda n: str(D(n) / 100_000))
uids = st.sampled_from([ANN, BOB])
sides = st.sampled_from(["BUY", "SELL"])
modes = st.sampled_from(["NONE", "EXPIRE_MAKER", "EXPIRE_TAKER", "EXPIRE_BOTH"])
moves = st.one_of(
    st.tuples(st.just("limit"), uids, sides, prices, amounts, st.sampled_from(["GTC", "GTC", "IOC", "FOK"]), modes),
    st.tuples(st.just("market"), uids, sides, amounts),
    st.tuples(st.just("by quote"), uids, sides, amounts.map(lambda text: str(D(text) * 100))),
    st.tuples(st.just("cancel"), uids, st.integers(1, 20)),
    st.tuples(st.just("tape"), sides, prices, amounts),
    st.tuples(st.just("quotes"), prices, amounts),
)


def run(made, move):
    kind, *given_ = move
    pair = made.pair(SYMBOL)
    if kind == "tape":
        side, price, qty = given_
        made.matcher.play(pair, D(price), D(qty), NOW, buy=side == "BUY")
        made.core.settle_positions(NOW)
    elif kind == "quotes":
        mid, qty = D(given_[0]), given_[1]
        bid, ask = pair.book.buys.best_account_price(), pair.book.sells.best_account_price()
        low = min(mid - 1, ask - 1) if ask is not None else mid - 1
        high = max(mid + 1, bid + 1) if bid is not None else mid + 1
        quote(made, [(str(low), qty)], [(str(high), qty)], SYMBOL)
    elif kind == "cancel":
        made.cancel(given_[0], {"symbol": SYMBOL, "orderId": str(given_[1])}, NOW)
    else:
        made.place(given_[0], order(kind, given_), NOW)


def order(kind, given_):
    if kind == "limit":
        _, side, price, qty, tif, mode = given_
        return {"symbol": SYMBOL, "side": side, "type": "LIMIT", "timeInForce": tif, "price": price, "quantity": qty,
                "selfTradePreventionMode": mode}  # fmt: skip
    name = "quantity" if kind == "market" else "quoteOrderQty"
    return {"symbol": SYMBOL, "side": given_[1], "type": "MARKET", name: given_[2]}


def check(made):
    ledger = made.core.ledger
    for asset, opening in FUNDS.items():
        assert ledger.total(asset) == 2 * D(opening), asset
    for uid in (ANN, BOB):
        for balance in ledger.accounts[uid].balances.values():
            assert balance.free >= 0
            assert balance.locked >= 0
    locked = {(uid, asset): D(0) for uid in (ANN, BOB) for asset in ("ABC", "XYZ")}
    for each in made.pair(SYMBOL).orders.values():
        assert D(0) <= each.executed <= each.qty
        assert each.executed == sum((fill.qty for fill in each.fills), D(0))
        assert each.quote_done == sum((fill.quote for fill in each.fills), D(0))
        assert each.is_live == (each.order_id in made.pair(SYMBOL).open.get(each.uid, {}))
        assert each.is_live or each.locked == 0
        locked[each.uid, "XYZ" if each.is_buy else "ABC"] += each.locked
    for (uid, asset), amount in locked.items():
        assert ledger.accounts[uid].balance(asset).locked == amount


@settings(max_examples=150)
@given(st.lists(moves, max_size=25), st.booleans())
def test_balances_and_fees_are_conserved(sequence, bnb):
    """Over all accounts, the house and the fees each asset keeps its sum; free and locked stay >= 0 and locked is
    exactly what live orders hold; no order executes more than its quantity; the book never stays crossed."""
    made = exchange(RULES, fee=FEE, funds=FUNDS)
    made.set_bnb_fees(ANN, bnb)
    for move in sequence:
        try:
            run(made, move)
        except BinanceError as refusal:
            assert refusal.code in (-1013, -2010, -2011)  # noqa: PT017 - a refusal is a fine outcome of a random move
        check(made)
        depth = made.depth(SYMBOL, 1)
        if depth["bids"] and depth["asks"]:
            assert D(depth["bids"][0][0]) < D(depth["asks"][0][0])


@settings(max_examples=60)
@given(st.lists(moves, max_size=20))
def test_events_alone_rebuild_the_balances(sequence):
    """Folding the reports (what was bought, sold and paid in fees) gives the same totals as the ledger."""
    made = exchange(RULES, fee=FEE, funds=FUNDS)
    made.set_bnb_fees(ANN, True)
    folded = {uid: {asset: D(amount) for asset, amount in FUNDS.items()} for uid in (ANN, BOB)}
    for move in sequence:
        try:
            run(made, move)
        except BinanceError:
            continue
        for target, uid, event in made.take_events():
            if target == "user" and event.get("x") == "TRADE":
                sign = 1 if event["S"] == "BUY" else -1
                folded[uid]["ABC"] += sign * D(event["l"])
                folded[uid]["XYZ"] -= sign * D(event["Y"])
                folded[uid][event["N"]] -= D(event["n"])
    truth = made.ledger_of_truth()["totals"]
    assert {uid: {a: D(v) for a, v in truth[str(uid)].items()} for uid in (ANN, BOB)} == folded
