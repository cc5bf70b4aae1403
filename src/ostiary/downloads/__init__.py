"""The download server: files that were promised elsewhere, each promise kept once. It shares nothing with the issuer of
one-time tokens but its public keys.

    app = DownloadServer("/srv/files", issuer="https://id.example.com", audience="https://files.example.com",
                         state="/var/lib/files/spent.db")

`app` is an ASGI application, to be served or mounted. Needs `cryptography` and `msgspec`; with a Valkey also `redis`.
"""

from ostiary.downloads.server import DownloadServer

__all__ = ["DownloadServer"]
