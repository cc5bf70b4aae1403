"""python -m benchmarks [NAME ...]: measure, print the table, write benchmarks/results/latest.json."""

import argparse
import importlib
import sys
import time

from benchmarks.report import Row, save, table, versions

NAMES = {
    "inprocess": "CPU that authentication adds to a route, in process",
    "tokens": "one JWT at first sight, against PyJWT, joserfc and bare cryptography",
    "requests": "requests per second over HTTP, with a login and without",
    "logins": "logins against the bare hash, and what they do to other requests",
    "refreshes": "refreshes on SQLite, against simplejwt with its blacklist",
    "downloads": "one-time tokens, and a file of 1 GB against nginx",
    "services": "token exchange, services' own tokens, introspection: the application alone",
    "edge": "a reverse proxy that asks, against the same proxy that does not",
    "valkey": "refreshes, logins and authenticated requests with Valkey",
    "postgres": "refreshes, logins and authenticated requests with PostgreSQL",
    "nodes": "what many nodes cost: local and fresh check, catching up, memory, chaos, sixteen processes",
    "relays": "how much later those behind relays refuse, and what a thousand followers cost one",
    "pages": "our pages in Chromium: bytes, first paint, nothing moves",
    "search": "one of a million accounts, against the bare SQL query",
    "sessions": "the page of live sessions among a million, against the bare SQL query",
    "starting": "starting to serve, importing",
    "steps": "the steps of the request path one by one; only when it is named",
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="; ".join(f"{name}: {what}" for name, what in NAMES.items())
    )
    names = parser.parse_args().names or [name for name in NAMES if name != "steps"]
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        parser.error(f"no benchmark is called {', '.join(unknown)}; there are {', '.join(NAMES)}")
    began = time.perf_counter()
    results: dict[str, list[Row]] = {}
    for name in names:
        results[name] = importlib.import_module(f"benchmarks.{name}").run(lambda text: print(text, file=sys.stderr))
        save(results)
    print(table(row for rows in results.values() for row in rows))
    print()
    print(", ".join(f"{name} {number}" for name, number in versions().items()))
    failed = sum(row.verdict == "FAIL" for rows in results.values() for row in rows)
    print(f"{time.perf_counter() - began:.0f} s; " + (f"{failed} targets missed" if failed else "every target reached"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
