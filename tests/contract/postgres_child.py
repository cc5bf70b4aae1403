"""What the processes do that the PostgreSQL tests start: `python postgres_child.py <url>` is a first start."""

import asyncio
import sys

from ostiary.stores.postgres import PostgresStore


async def main(url: str) -> None:
    store = await PostgresStore.open(url)
    print(await store.issuer())
    await store.check()
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
