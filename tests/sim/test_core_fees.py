"""Commissions: who pays how much, in which asset, and what the commission answers say."""

from decimal import Decimal as D

from realtrading.sim.fees import FeeSchedule, Rates
from realtrading.sim.numbers import plain, reserve, worth
from sim.core_kit import ANN, BOB, NOW, TENTH_PERCENT, exchange, funds, limit, market, quote, rules


def test_buyers_pay_in_base_and_sellers_in_quote():
    """Taker and maker rates differ; the buyer's fee comes off the coins received, the seller's off the money."""
    fee = FeeSchedule(standard=Rates(maker=D("0.0005"), taker=D("0.001")))
    made = exchange(fee=fee)
    made.place(ANN, limit("SELL", "100", "1"), NOW)
    answer = made.place(BOB, limit("BUY", "100", "1"), NOW)
    assert answer["fills"][0]["commission"] == "0.00100000"
    assert answer["fills"][0]["commissionAsset"] == "BTC"
    sold = made.my_trades(ANN, {"symbol": "BTCUSDT"}, NOW)[0]
    assert (sold["commission"], sold["commissionAsset"], sold["isMaker"], sold["isBuyer"]) == (
        "0.05000000", "USDT", True, False
    )  # fmt: skip
    assert funds(made, BOB) == {"BTC": ("10.999", "0"), "USDT": ("9900", "0")}
    assert funds(made, ANN) == {"BTC": ("9", "0"), "USDT": ("10099.95", "0")}
    assert made.ledger_of_truth()["fees"] == {"BTC": "0.001", "USDT": "0.05"}


def test_bnb_pays_three_quarters_until_it_runs_out():
    """With BNB fees on, the discounted fee is taken in BNB; the fill it no longer suffices for pays in base."""
    fee = FeeSchedule(standard=TENTH_PERCENT.standard, bnb_prices={"USDT": D(300)})
    made = exchange(fee=fee, funds={"USDT": "10000", "BNB": "0.0003"})
    made.set_bnb_fees(ANN, True)
    quote(made, [("99", "5")], [("100", "1"), ("101", "5")])
    answer = made.place(ANN, market("BUY", "2"), NOW)
    assert [(fill["commission"], fill["commissionAsset"]) for fill in answer["fills"]] == [
        ("0.00025000", "BNB"), ("0.00100000", "BTC")
    ]  # fmt: skip
    assert funds(made, ANN)["BNB"] == ("0.00005", "0")
    assert funds(made, ANN)["BTC"] == ("1.999", "0")
    made.set_bnb_fees(ANN, False)
    assert made.place(ANN, market("BUY", "1"), NOW)["fills"][0]["commissionAsset"] == "BTC"


def test_bnb_is_priced_by_its_own_market_when_there_is_one():
    """A listed BNB symbol's last price converts the fee; without any price fees stay in base and quote."""
    for listed, asset in ((True, "BNB"), (False, "BTC")):
        symbols = (rules(), rules("BNBUSDT", "BNB")) if listed else (rules(),)
        made = exchange(*symbols, fee=TENTH_PERCENT, funds={"USDT": "10000", "BNB": "1"})
        if listed:
            made.pair("BNBUSDT").history.open_at(D(250), NOW)
        made.set_bnb_fees(ANN, True)
        quote(made, [("99", "5")], [("100", "5")])
        fill = made.place(ANN, market("BUY", "1"), NOW)["fills"][0]
        assert fill["commissionAsset"] == asset
        assert fill["commission"] == ("0.00030000" if listed else "0.00100000")


def test_bnb_pairs_price_bnb_by_themselves():
    """Trading BNB itself, or against BNB, needs no other price."""
    symbols = (rules("BNBUSDT", "BNB"), rules("ETHBNB", "ETH", "BNB"))
    made = exchange(*symbols, fee=TENTH_PERCENT, funds={"USDT": "10000", "BNB": "1000"})
    made.set_bnb_fees(ANN, True)
    for symbol, fee in (("BNBUSDT", "0.00075000"), ("ETHBNB", "0.07500000")):
        quote(made, [("99", "5")], [("100", "5")], symbol)
        fill = made.place(ANN, market("BUY", "1", symbol), NOW)["fills"][0]
        assert (fill["commission"], fill["commissionAsset"]) == (fee, "BNB")


def test_the_official_commission_example():
    """Binance's own worked example: standard, tax and special parts, and the discount on the standard part alone."""
    fee = FeeSchedule(
        standard=Rates(maker=D("0.0000001"), taker=D("0.0000002"), buyer=D("0.0000003"), seller=D("0.0000004")),
        special=Rates(maker=D("0.01"), taker=D("0.02"), buyer=D("0.03"), seller=D("0.04")),
        tax=Rates(maker=D("0.00000112"), taker=D("0.00000114"), buyer=D("0.00000118"), seller=D("0.00000116")),
        bnb_discount=D("0.25"),
    )
    notional = D(35000) * D("0.49975")
    paid = fee.amount(notional, is_maker=False, is_buyer=False)
    assert paid == D("0.01049475") + D("0.04022987") + D("1049.47500000")
    in_bnb = fee.amount(notional / 260, is_maker=False, is_buyer=False, in_bnb=True)
    assert in_bnb == D("4.03660712")


def test_commission_answers():
    """account/commission says all rates; a test order with computeCommissionRates adds up role and side."""
    fee = FeeSchedule(standard=Rates(maker=D("0.001"), taker=D("0.002"), buyer=D("0.0001")))
    made = exchange(fee=fee)
    made.set_bnb_fees(ANN, True)
    answer = made.commission(ANN, {"symbol": "BTCUSDT"}, NOW)
    assert answer["standardCommission"] == {
        "maker": "0.00100000", "taker": "0.00200000", "buyer": "0.00010000", "seller": "0.00000000"
    }  # fmt: skip
    assert answer["discount"]["enabledForAccount"] is True
    assert made.commission(BOB, {"symbol": "BTCUSDT"}, NOW)["discount"]["enabledForAccount"] is False
    tested = made.test_order(ANN, limit("BUY", "100", "1", computeCommissionRates="true"), NOW)
    assert tested["standardCommissionForOrder"] == {"maker": "0.00110000", "taker": "0.00210000"}
    assert made.account(ANN, {}, NOW)["takerCommission"] == 20


def test_amounts_finer_than_the_grain_are_cut_the_same_for_both_sides():
    """A price and a quantity whose product has more than eight decimals book the same cut amount on both sides."""
    fine = rules("ABCXYZ", "ABC", "XYZ", tick=D("0.00000001"), step=D("0.00001"), min_notional=D(0),
                 min_price=D("0.00000001"), min_qty=D("0.00001"))  # fmt: skip
    made = exchange(fine, funds={"ABC": "10", "XYZ": "10"})
    made.place(ANN, limit("SELL", "0.33333333", "1.00001", "ABCXYZ"), NOW)
    for qty in ("0.33333", "0.33334", "0.33334"):
        made.place(BOB, limit("BUY", "0.33333333", qty, "ABCXYZ"), NOW)
    assert funds(made, ANN) == {"ABC": ("8.99999", "0"), "XYZ": ("10.33333665", "0")}
    assert funds(made, BOB) == {"ABC": ("11.00001", "0"), "XYZ": ("9.66666335", "0")}


def test_amounts_stay_exact_at_the_largest_numbers():
    """The largest price times the largest quantity a request may carry is not rounded to a machine's precision."""
    price, qty = D("92233720368.54775807"), D("92233720368.54775807")
    assert worth(price, qty) == D("8507059173023461584739.69077842")
    assert reserve(price, qty) == D("8507059173023461584739.69077843")
    assert plain(D("1E+3")) == "1000"
    assert plain(D("-0.00")) == "0"
