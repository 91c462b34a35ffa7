"""Binance's refusals: one exception type, one constructor per code the simulated exchange answers with."""

from __future__ import annotations

from typing import Any


class BinanceError(Exception):
    """A request the exchange refuses. `code` and `msg` are Binance's own, `status` is the HTTP status."""

    def __init__(self, code: int, msg: str, status: int = 400) -> None:
        super().__init__(code, msg)
        self.code = code
        self.msg = msg
        self.status = status

    def body(self) -> dict[str, Any]:
        """The JSON body Binance sends with this refusal."""
        return {"code": self.code, "msg": self.msg}


def invalid_message(msg: str) -> BinanceError:
    """-1013: refused before the matching engine, e.g. "Invalid quantity."."""
    return BinanceError(-1013, msg)


def filter_failure(name: str) -> BinanceError:
    """-1013 with the name of the filter that failed."""
    return BinanceError(-1013, f"Filter failure: {name}")


def illegal_chars(name: str, legal: str) -> BinanceError:
    """-1100: a value that does not match the parameter's legal range."""
    return BinanceError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")


def mandatory_missing(name: str) -> BinanceError:
    """-1102: a mandatory parameter is missing, empty or malformed."""
    return BinanceError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def one_of_missing(first: str, second: str) -> BinanceError:
    """-1102: neither of two parameters of which one is mandatory was sent."""
    return BinanceError(-1102, f"Param '{first}' or '{second}' must be sent, but both were empty/null!")


def unread_parameters(read: int, sent: int) -> BinanceError:
    """-1104: parameters this endpoint does not know."""
    return BinanceError(-1104, f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{sent}'.")


def empty_parameter(name: str) -> BinanceError:
    """-1105: an optional parameter sent without a value."""
    return BinanceError(-1105, f"Parameter '{name}' was empty.")


def not_required(name: str) -> BinanceError:
    """-1106: a known parameter that this order type does not take."""
    return BinanceError(-1106, f"Parameter '{name}' sent when not required.")


def overflow(name: str) -> BinanceError:
    """-1108: a number too large for the exchange."""
    return BinanceError(-1108, f"Parameter '{name}' overflowed.")


def bad_precision(name: str) -> BinanceError:
    """-1111: more decimals than the asset has."""
    return BinanceError(-1111, f"Parameter '{name}' has too much precision.")


def invalid_tif() -> BinanceError:
    """-1115: a timeInForce spot does not know (GTX, GTD, …)."""
    return BinanceError(-1115, "Invalid timeInForce.")


def invalid_type() -> BinanceError:
    """-1116: an order type that does not exist or that this exchange does not offer."""
    return BinanceError(-1116, "Invalid orderType.")


def invalid_side() -> BinanceError:
    """-1117: neither BUY nor SELL."""
    return BinanceError(-1117, "Invalid side.")


def bad_interval() -> BinanceError:
    """-1120: a kline interval that does not exist."""
    return BinanceError(-1120, "Invalid interval.")


def bad_symbol() -> BinanceError:
    """-1121: a symbol this exchange does not list."""
    return BinanceError(-1121, "Invalid symbol.")


def more_than_hours(hours: int) -> BinanceError:
    """-1127: a window between startTime and endTime that is too wide."""
    return BinanceError(-1127, f"More than {hours} hours between startTime and endTime.")


def bad_combination() -> BinanceError:
    """-1128: optional parameters that exclude each other."""
    return BinanceError(-1128, "Combination of optional parameters invalid.")


def invalid_data(name: str) -> BinanceError:
    """-1130: a value outside the parameter's list of values."""
    return BinanceError(-1130, f"Data sent for parameter '{name}' is not valid.")


def bad_strategy_type() -> BinanceError:
    """-1134: strategyType below 1,000,000."""
    return BinanceError(-1134, "`strategyType` was less than 1000000.")


def bad_cancel_restrictions() -> BinanceError:
    """-1145: a cancelRestrictions value that does not exist."""
    return BinanceError(-1145, "Invalid cancelRestrictions")


def rejected(msg: str) -> BinanceError:
    """-2010: the matching engine refused a new order."""
    return BinanceError(-2010, msg)


def insufficient_balance() -> BinanceError:
    """-2010: not enough free balance."""
    return rejected("Account has insufficient balance for requested action.")


def duplicate_order() -> BinanceError:
    """-2010: an open order already carries this client id."""
    return rejected("Duplicate order sent.")


def would_take() -> BinanceError:
    """-2010: a LIMIT_MAKER that would not rest."""
    return rejected("Order would immediately match and take.")


def would_trigger() -> BinanceError:
    """-2010: a stop whose price the market has passed already."""
    return rejected("Order would trigger immediately.")


def bad_relation() -> BinanceError:
    """-2010: the prices of an OCO's legs are not on their sides of the market."""
    return rejected("The relationship of the prices for the orders is not correct.")


def market_closed() -> BinanceError:
    """-2010: the symbol is not TRADING."""
    return rejected("Market is closed.")


def cancel_rejected(msg: str = "Unknown order sent.") -> BinanceError:
    """-2011: nothing that could be cancelled (any more)."""
    return BinanceError(-2011, msg)


class ReplaceFailed(BinanceError):
    """-2021 or -2022: a cancel-replace of which one half or both failed; `data` tells which, as Binance does."""

    def __init__(self, data: dict[str, Any]) -> None:
        partly = "SUCCESS" in (data["cancelResult"], data["newOrderResult"])
        if partly:
            super().__init__(-2021, "Order cancel-replace partially failed.", 409)
        else:
            super().__init__(-2022, "Order cancel-replace failed.", 400)
        self.data = data

    def body(self) -> dict[str, Any]:
        """The error with both halves' answers."""
        return {**super().body(), "data": self.data}


def no_such_order() -> BinanceError:
    """-2013: a query for an order this account does not have."""
    return BinanceError(-2013, "Order does not exist.")


def client_id_mismatch() -> BinanceError:
    """-2039: orderId and origClientOrderId name different orders."""
    return BinanceError(-2039, "Client order ID is not correct for this order ID.")
