"""A resource server as a process of its own, with the base install alone: whatever the server's extras bring cannot be
imported in it. Run with the issuer and the audience as arguments.

It reads JSON lines and answers each with one: `{"token": ...}` is verified; `advance` lets seconds pass on its
monotonic clock, by which it judges the age of its keys.
"""

import asyncio
import json
import sys
import time
from importlib.abc import MetaPathFinder

NOT_INSTALLED = frozenset(
    ("starlette", "uvicorn", "jinja2", "argon2", "sqlalchemy", "alembic", "structlog", "cyclopts", "rich", "httpx2",
     "anyio", "multipart", "uvloop", "httptools")
)  # fmt: skip


class BaseInstall(MetaPathFinder):
    """Finds nothing, and lets nobody else find what is not installed."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] in NOT_INSTALLED:
            raise ModuleNotFoundError(name)


async def main(issuer: str, audience: str) -> None:
    from ostiary.clock import Clock
    from ostiary.verifier import Refused, Unavailable, Verifier

    passed = 0.0
    clock = Clock(wall=time.time, monotonic=lambda: time.monotonic() + passed)
    verifier = Verifier(issuer=issuer, audience=audience, clock=clock)
    for line in sys.stdin:
        asked = json.loads(line)
        passed += asked.get("advance", 0.0)
        try:
            caller = await verifier.authenticate({"authorization": f"Bearer {asked['token']}"})
            answer = {"status": 200, "account": caller.account_id, "roles": sorted(caller.roles)}
        except (Refused, Unavailable) as error:
            answer = {"status": verifier.answer(error).status, "why": error.private}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    sys.meta_path.insert(0, BaseInstall())
    asyncio.run(main(*sys.argv[1:]))
