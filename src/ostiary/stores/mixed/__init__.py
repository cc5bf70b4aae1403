"""Two stores as one: accounts, keys, clients and the audit trail in a database, sessions, counters and the revocation
log in Valkey.

A write that concerns one of them is that store's own. One that concerns both is made in four steps:

1. *Pledge*, in Valkey: its half is judged and kept, and everybody else is kept from what it looked at.
2. *Decide*, in the database: its half, and with it in the same transaction one row that says "decided".
3. *Fulfil*, in Valkey: the half that was pledged is done, the log's entry with it, and others may go on.
4. The call is answered.

If step 1 or 2 finds that a condition does not hold, the pledge is dropped and nothing was changed. If the process dies
between two steps, whoever meets the pledge, or looks for old ones, settles it. With the row it is fulfilled. Without
it the row is written first, saying "dropped", so that the one who made the pledge, should it live after all, can no
longer decide: the row's id is unique, there is one decision.
"""

from ostiary.stores.mixed.store import MixedStore

__all__ = ["MixedStore"]
