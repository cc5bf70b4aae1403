"""A download server that dies at the worst moment: the token is spent, and nobody has been answered."""

import os
import signal
import sys
from typing import Any

import uvicorn

from ostiary.downloads import DownloadServer
from ostiary.downloads.sqlite_state import SqliteState
from ostiary.downloads.state import Spending


class Dying(SqliteState):
    """Keeps its promise, and is gone."""

    async def spend(self, key: bytes, **how: Any) -> Spending:
        spending = await super().spend(key, **how)
        os.kill(os.getpid(), signal.SIGKILL)
        return spending


if __name__ == "__main__":
    root, issuer, audience, state, port = sys.argv[1:]
    app = DownloadServer(root, issuer=issuer, audience=audience, state=Dying(state))
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning")
