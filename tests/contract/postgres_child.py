"""What the processes do that the PostgreSQL tests start: `python postgres_child.py <url>` is a first start."""

import asyncio
import sys

from ostiary.stores.postgres import PostgresStore, pool

pool.CONNECT_SECONDS = pool.ANSWER_SECONDS = 30.0  # several of these at once keep a machine busy


async def main(url: str) -> None:
    store = await PostgresStore.open(url)
    print(await store.issuer())
    await store.check()
    await store.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
