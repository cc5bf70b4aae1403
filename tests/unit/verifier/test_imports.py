"""What a resource server has to install, and what it pays for importing."""

import subprocess
import sys

SERVER = ("starlette", "uvicorn", "jinja2", "argon2", "sqlalchemy", "alembic", "structlog", "cyclopts", "rich", "anyio",
          "httpx2", "multipart", "uvloop", "httptools", "redis", "asyncpg")  # fmt: skip
OURS = ("http", "services", "stores", "settings", "compose", "cli", "passwords", "testing")


def loaded(code: str) -> set[str]:
    """Names of all modules after running `code` in a fresh process."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_the_verifier_needs_the_base_install_only() -> None:
    """Importing it, making one and verifying a token load nothing of the server's extras, and none of its rooms."""
    modules = loaded(
        "from ostiary.verifier import Verifier\n"
        "from ostiary import jose\n"
        "key = jose.Key.generate('ES256')\n"
        "claims = {'iss': 'https://i', 'aud': 'a', 'sub': 's', 'client_id': 'c', 'jti': 'j', 'iat': 1, 'exp': 2**33}\n"
        "verifier = Verifier(issuer='https://i', audience='a', keys=key.public())\n"
        "assert verifier.verify_sync(jose.sign(claims, key, typ='at+jwt')).account_id == 's'\n"
        "verifier.asgi(None); verifier.wsgi(None)"
    )
    assert "ostiary.verifier" in modules
    assert not modules.intersection(SERVER)
    assert not modules.intersection(f"ostiary.{room}" for room in OURS)


def test_importing_it_opens_nothing() -> None:
    """HTTP and TLS are loaded by the first fetch, not by the import."""
    modules = loaded("import ostiary.verifier")
    assert "http.client" not in modules
