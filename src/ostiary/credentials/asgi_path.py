"""Which address an ASGI application was called at: what a proof of possession has to be made for."""


def whole_path(path: str, root: str) -> str:
    """As the client wrote it, decoded, of a scope's `path` and `root_path`. The first holds the second by the book; not
    by servers and frameworks that leave away what a proxy took (`FastAPI(root_path=...)`), nor by those that take away
    what something is mounted at."""
    root = root.rstrip("/")
    if not root or path == root or path.startswith(root + "/"):
        return path
    return root + path
