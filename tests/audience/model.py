"""A model of the audience in plain dictionaries: what adding, importing, undoing, leaving and erasing must come to.

Nothing of the product is used here. Time is a number that goes up by one with every step.
"""

from dataclasses import dataclass, field

STATUSES = ["complained", "bounced", "unsubscribed", "pending", "active"]
"""The most cautious first."""

FIELDS = ("first_name", "team")

Row = tuple[str, str, str, frozenset[str]]
"""A row of a file: address, first name, team, tags; the empty text says nothing."""


@dataclass
class Place:
    """How somebody stands to a list: the status, and since when."""

    status: str
    created: int
    changed: int


@dataclass
class Agreement:
    """A yes that is on record."""

    to_list: str
    at: int
    stands: bool = True


@dataclass(eq=False)
class Somebody:
    """A person; two of them are never equal."""

    email: str
    told: dict[str, str] = field(default_factory=dict)
    tags: set[str] = field(default_factory=set)
    lists: dict[str, Place] = field(default_factory=dict)
    agreements: list[Agreement] = field(default_factory=list)
    records: int = 0
    gone: bool = False

    @property
    def details(self) -> tuple[str, dict[str, str], frozenset[str]]:
        return self.email, dict(self.told), frozenset(self.tags)

    @property
    def statuses(self) -> dict[str, str]:
        return {slug: place.status for slug, place in self.lists.items()}


@dataclass
class Changed:
    """What an import changed about somebody: before and after, the tags it added, whether it put them on its list."""

    told: dict[str, tuple[str, str]] = field(default_factory=dict)
    tags: set[str] = field(default_factory=set)
    joined: bool = False

    def __bool__(self) -> bool:
        return bool(self.told or self.tags or self.joined)


@dataclass
class Receipt:
    """What an import did."""

    at: int
    to_list: str | None
    counts: dict[str, int]
    came: dict[Somebody, tuple[str, dict[str, str], frozenset[str]]] = field(default_factory=dict)
    changed: dict[Somebody, Changed] = field(default_factory=dict)
    undone: bool = False


class Model:
    """Who is known, who must never be mailed, what was imported, and how many records of consent there are."""

    def __init__(self, records: int) -> None:
        self.known: dict[str, Somebody] = {}
        self.never: set[str] = set()
        self.erased: set[str] = set()
        self.receipts: list[Receipt] = []
        self.records = records
        self.now = 0

    def _record(self, one: Somebody) -> None:
        self.records += 1
        one.records += 1

    def join(self, one: Somebody, to_list: str, status: str) -> None:
        one.lists[to_list] = Place(status, self.now, self.now)
        one.agreements.append(Agreement(to_list, self.now))
        self._record(one)

    def take_back(self, one: Somebody, to_list: str) -> None:
        for agreement in one.agreements:
            agreement.stands = agreement.stands and agreement.to_list != to_list
        self._record(one)

    def add(self, email: str, to_list: str, status: str) -> bool:
        there = self.known[email].lists.get(to_list) if email in self.known else None
        if email in self.never or (there is not None and there.status not in {"active", "pending"}):
            return False
        one = self.known.setdefault(email, Somebody(email))
        if there is None:
            self.join(one, to_list, status)
        return True

    def unsubscribe(self, email: str, from_list: str) -> bool:
        one = self.known.get(email)
        if one is None:
            return False
        place = one.lists.get(from_list)
        if place is not None and place.status in {"active", "pending"}:
            place.status, place.changed = "unsubscribed", self.now
            self.take_back(one, from_list)
        return True

    def set(self, email: str, name: str, value: str) -> bool:
        one = self.known.get(email)
        if one is None:
            return False
        one.told.pop(name, None)
        one.told |= {name: value} if value else {}
        return True

    def move(self, email: str, new: str) -> bool:
        if email not in self.known or {email, new} & self.never or (new != email and new in self.known):
            return False
        self.known[new] = self.known.pop(email)
        self.known[new].email = new
        return True

    def merge(self, gone: str, kept: str) -> bool:
        if gone == kept or not {gone, kept} <= self.known.keys():
            return False
        lost, left = self.known.pop(gone), self.known[kept]
        lost.gone = True
        left.told = lost.told | left.told
        left.tags |= lost.tags
        for slug, place in lost.lists.items():
            ours = left.lists.get(slug)
            if ours is None or STATUSES.index(place.status) < STATUSES.index(ours.status):
                left.lists[slug] = place
        left.agreements += lost.agreements
        left.records += lost.records
        self.records += lost.records
        self.never |= {kept} if gone in self.never else set()
        return True

    def erase(self, email: str) -> bool:
        """Whether anybody had the address."""
        self.never.add(email)
        self.erased.add(email)
        one = self.known.pop(email, None)
        if one is None:
            return False
        one.gone = True
        for receipt in self.receipts:
            receipt.came.pop(one, None)
            receipt.changed.pop(one, None)
        return True

    def bring(self, rows: list[Row], to_list: str | None) -> Receipt:
        receipt = Receipt(self.now, to_list, dict.fromkeys(("new", "updated", "unchanged", "refused"), 0))
        for row in rows:
            receipt.counts[self._take(row, receipt)] += 1
        receipt.came = {one: one.details for one in receipt.came}
        self.receipts.append(receipt)
        return receipt

    def _take(self, row: Row, receipt: Receipt) -> str:
        email, first_name, team, tags = row
        one = self.known.get(email)
        place = one.lists.get(receipt.to_list or "") if one else None
        if email in self.never or (place is not None and STATUSES.index(place.status) < STATUSES.index("pending")):
            return "refused"
        is_new = one is None
        one = self.known.setdefault(email, Somebody(email))
        change = Changed() if is_new else receipt.changed.get(one, Changed())
        did = False
        for name, value in zip(FIELDS, (first_name, team), strict=True):
            before = one.told.get(name, "")
            if value and value != before:
                change.told[name] = (change.told.get(name, (before, ""))[0], value)
                one.told[name] = value
                did = True
        did = did or not tags <= one.tags
        change.tags |= tags - one.tags
        one.tags |= tags
        if receipt.to_list is not None and place is None:
            self.join(one, receipt.to_list, "active")
            change.joined = did = True
        if is_new:
            receipt.came[one] = one.details
            return "new"
        if change and one not in receipt.came:
            receipt.changed[one] = change
        return "updated" if did else "unchanged"

    def undo(self, receipt: Receipt) -> tuple[int, int, int] | None:
        """How many are gone again, are as before, and are left alone; None where it is undone already."""
        if receipt.undone:
            return None
        receipt.undone = True
        removed = restored = left = 0
        for one, details in receipt.came.items():
            if one.gone or one.details != details or self._happened_since(one, receipt, arrived=True):
                left += 1
                continue
            removed += 1
            one.gone = True
            del self.known[one.email]
            if receipt.to_list is not None:
                self.take_back(one, receipt.to_list)
        for one, change in receipt.changed.items():
            if one.gone:
                continue
            whole = self._restore(one, change, receipt)
            restored, left = restored + whole, left + (not whole)
        receipt.came, receipt.changed = {}, {}
        return removed, restored, left

    def _restore(self, one: Somebody, change: Changed, receipt: Receipt) -> bool:
        whole = change.tags <= one.tags
        one.tags -= change.tags
        for name, (before, after) in change.told.items():
            if one.told.get(name, "") != after:
                whole = False
            else:
                self.set(one.email, name, before)
        if change.joined and receipt.to_list is not None:
            if self._happened_since(one, receipt, arrived=False):
                return False
            del one.lists[receipt.to_list]
            self.take_back(one, receipt.to_list)
        return whole

    def _happened_since(self, one: Somebody, receipt: Receipt, *, arrived: bool) -> bool:
        agreements = [each for each in one.agreements if each.stands and each.at > receipt.at]
        if not arrived:
            agreements = [each for each in agreements if each.to_list == receipt.to_list]
        if one.email in self.never or agreements or (arrived and one.lists.keys() - {receipt.to_list}):
            return True
        return receipt.to_list is not None and one.lists.get(receipt.to_list) != Place("active", receipt.at, receipt.at)
