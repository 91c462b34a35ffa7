"""Balances of every account: free and locked, exact, never negative but for the house."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import attrs

from .numbers import ZERO

HOUSE = 0
"""The liquidity account: unlimited, may go below zero, hidden from every answer but the sum."""


@attrs.define
class Balance:
    """One asset of one account."""

    free: Decimal = ZERO
    locked: Decimal = ZERO


@attrs.define
class Account:
    """One account: its balances and its switches. `updated_ms` is the last change of any balance."""

    uid: int
    balances: dict[str, Balance] = attrs.field(factory=dict)
    pays_in_bnb: bool = False
    updated_ms: int = 0

    def balance(self, asset: str) -> Balance:
        """The asset's balance, made when first touched."""
        found = self.balances.get(asset)
        if found is None:
            found = self.balances[asset] = Balance()
        return found

    def free(self, asset: str) -> Decimal:
        """What can be spent of the asset."""
        found = self.balances.get(asset)
        return ZERO if found is None else found.free


class Ledger:
    """All accounts and the fees the exchange has collected."""

    def __init__(self) -> None:
        self.accounts: dict[int, Account] = {HOUSE: Account(HOUSE)}
        self.fees: dict[str, Decimal] = {}

    def open(self, uid: int, balances: Mapping[str, Decimal]) -> Account:
        """Open an account with these free balances. ValueError when the uid exists or an amount is negative."""
        if uid in self.accounts:
            raise ValueError(f"account {uid} exists already")
        account = self.accounts[uid] = Account(uid)
        for asset, amount in balances.items():
            self.move(uid, asset, amount)
        return account

    def move(self, uid: int, asset: str, amount: Decimal) -> None:
        """Add `amount` (may be negative) to the free balance. ValueError when it would go below zero."""
        balance = self.accounts[uid].balance(asset)
        after = balance.free + amount
        if after < 0 and uid != HOUSE:
            raise ValueError(f"account {uid} has {balance.free} {asset} free, cannot take {-amount}")
        balance.free = after

    def lock(self, uid: int, asset: str, amount: Decimal) -> None:
        """Move `amount` from free to locked. ValueError when there is not enough."""
        self.move(uid, asset, -amount)
        self.accounts[uid].balance(asset).locked += amount

    def unlock(self, uid: int, asset: str, amount: Decimal) -> None:
        """Move `amount` from locked back to free. ValueError when less is locked."""
        balance = self.accounts[uid].balance(asset)
        if amount > balance.locked:
            raise ValueError(f"account {uid} has {balance.locked} {asset} locked, cannot free {amount}")
        balance.locked -= amount
        balance.free += amount

    def collect(self, uid: int, asset: str, amount: Decimal) -> None:
        """Take a fee from the free balance into the exchange's pocket."""
        if amount:
            self.move(uid, asset, -amount)
            self.fees[asset] = self.fees.get(asset, ZERO) + amount

    def total(self, asset: str) -> Decimal:
        """Everything of the asset that exists: all accounts, the house and the fees."""
        held = (account.balances.get(asset) for account in self.accounts.values())
        return sum((b.free + b.locked for b in held if b is not None), self.fees.get(asset, ZERO))
