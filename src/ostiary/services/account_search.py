"""Looking through accounts, in the order in which somebody who types expects them: whose id it is; whose user name
begins so, by name; whose e-mail address does, by that. Each page is a range of an index, however many there are.
"""

from dataclasses import dataclass

from ostiary.domain.account import Account
from ostiary.services.paging import place_of, read_place
from ostiary.stores.port import Accounts


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a listing stands: behind this user name; or, `by_email`, behind this e-mail and id."""

    by_email: bool = False
    text: str = ""
    account_id: str = ""

    @property
    def written(self) -> str:
        """For a URL, and not for people."""
        return place_of("e" if self.by_email else "u", self.text, self.account_id)


def _read(cursor: str) -> _Place:
    """Raises InvalidRequest."""
    if not cursor:
        return _Place()
    kind, text, account_id = read_place(cursor, 3)
    return _Place(by_email=kind == "e", text=text, account_id=account_id)


async def search(
    accounts: Accounts, *, query: str, only: str, after: str, limit: int
) -> tuple[list[Account], str | None]:
    """One page, and where to go on (None at the end). `only`: see the port. Raises InvalidRequest for a place that is
    none."""
    start, place = query.casefold(), _read(after)
    found: list[tuple[Account, _Place]] = []
    if query and not after and (own := await accounts.get(query)) is not None and _is_among(own, only):
        found.append((own, _Place()))
    wanted = limit + 2  # one more than tells that there are more, because whose id it is was told of already
    if not place.by_email:
        rows = await accounts.page(start=start, only=only, after=place.text, limit=wanted)
        found += [(one, _Place(text=one.username_key)) for one in rows if one.id != query]
    at = (place.text, place.account_id) if place.by_email else ("", "")
    while query and len(found) <= limit:
        rows = await accounts.page_by_email(start=start, only=only, after=at, limit=wanted)
        for one in rows:
            at = (one.email or "").casefold(), one.id
            if one.id != query and not one.username_key.startswith(start):
                found.append((one, _Place(by_email=True, text=at[0], account_id=at[1])))
        if len(rows) < wanted:
            break
    page = [account for account, _ in found[:limit]]
    return page, found[limit - 1][1].written if len(found) > limit else None


def _is_among(account: Account, only: str) -> bool:
    return not only or (account.disabled if only == "disabled" else account.is_enabled_admin)
