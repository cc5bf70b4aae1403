"""The child that serves the application under test, as `ostiary serve` sets uvicorn up, on one core.

python -m benchmarks.serving '{"core": 0, "port": 8000, "directory": "...", "count": 1000}' prints one line of JSON when
it answers: where the credentials are.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import uvicorn
import uvloop
from starlette.routing import Route

from benchmarks import machine, seed
from benchmarks.application import Pauses, application
from ostiary import Ostiary


async def serve(job: dict[str, Any]) -> None:
    directory = Path(job["directory"])
    valkey = job.get("valkey")
    database = job.get("database", "" if valkey else f"sqlite:///{directory / 'bench.db'}")
    auth = Ostiary(seed.settings_for(database, job["port"], valkey=valkey))
    pauses = Pauses()
    await auth.start()
    seeded = {
        str(kind): [
            {
                "username": each.username,
                "header": each.header,
                "session": each.issued.session.id,
                "refresh": each.issued.refresh_token,
            }
            for each in await seed.sessions(auth.system, kind, job["count"])
        ]
        for kind in seed.KINDS
        if kind in job.get("kinds", seed.KINDS)
    }
    (directory / "seeded.json").write_text(json.dumps(seeded))
    app = application(auth, [Route("/_pauses", pauses.tell)])
    config = uvicorn.Config(
        app, lifespan="off", log_config=None, access_log=False, proxy_headers=False, server_header=False, ws="none",
        host="127.0.0.1", port=job["port"], loop="uvloop", http="httptools", timeout_keep_alive=75,
    )  # fmt: skip
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    pauses.install()
    while not server.started:
        await asyncio.sleep(0.01)
    print(json.dumps({"seeded": str(directory / "seeded.json")}), flush=True)
    await serving
    await auth.stop()


if __name__ == "__main__":
    wanted = json.loads(sys.argv[1])
    machine.pin(wanted["core"])
    uvloop.run(serve(wanted))
