"""Whom an attempt to prove who one is counts for, and how many failures each has free."""

from __future__ import annotations

from dataclasses import dataclass, field

from msgspec import Struct


@dataclass(frozen=True, slots=True)
class Place:
    """Where an attempt comes from: the address, and what the cookie of the device holds."""

    address: str = ""
    device: str | None = field(default=None, repr=False)


class Allowances(Struct, frozen=True):
    """The failures that are free, until there was none for a window of so many ms.

    :param processes: how many share them: what is not decided yet counts as failed, and must
        not use an allowance up.
    """

    per_account: int
    per_address: int
    window: int
    processes: int = 1

    def at_once(self, free: int) -> int:
        """Return how many attempts one process looks at together, of so many free ones."""
        return max(1, (free - 1) // self.processes)


class Subjects(Struct, frozen=True):
    """Whom an attempt may count for, each as a keyed hash.

    :ivar account: None if there is no telling whose it is.
    :ivar device: the id of a device that is known by its cookie.
    :ivar own: what such a device counts as, or else the address, for this account.
    """

    account: bytes | None
    address: bytes
    device: bytes | None
    own: bytes

    def free(self, allowances: Allowances, *, regular: bool) -> dict[bytes, int]:
        """Return by what an attempt is counted, and how many failures of each are free.

        A cookie is nobody else's. An address may be an attacker's too: it goes on to count for
        all that is tried from there.

        :param regular: the account was signed in to from this address before.
        """
        if self.device is not None:
            return {self.own: allowances.per_account}
        free = {self.address: allowances.per_address}
        if self.account is not None:
            free[self.own if regular else self.account] = allowances.per_account
        return free

    def at_once(self, allowances: Allowances) -> dict[bytes, int]:
        """Return how many attempts one process looks at together, for whom they may count."""
        of_account = allowances.at_once(allowances.per_account)
        if self.device is not None:
            return {self.own: of_account}
        of_address = {self.address: allowances.at_once(allowances.per_address)}
        return of_address if self.account is None else {self.account: of_account, **of_address}
