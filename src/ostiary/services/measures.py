"""What this process has done since it started, in whole numbers: for operators to watch. No names, no credentials.

Counting is one addition to a dictionary; whoever shows the numbers reads them when asked (`ostiary.http.metrics`).
Nothing is counted for a request whose credential is remembered: there it would cost what it measures.
"""

from collections import Counter


class Measures:
    """`events` counts audit events by name, once they are written. `refreshes` counts renewals by outcome:
    `rotated`, `grace` (a tab that raced), `refused`, `reused`. `recognised` counts first sights of a credential by
    kind; `unknown` is one that was refused."""

    __slots__ = ("events", "recognised", "refreshes")

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()
        self.refreshes: Counter[str] = Counter()
        self.recognised: Counter[str] = Counter()
