"""Callers as dependencies, with FastAPI (pip install "ostiary[fastapi]"). Run: uvicorn examples.fastapi_app:app

Every kind and transport: a session in a cookie, tokens in the Authorization header, and JWTs in cookies, which are
renewed in passing.
"""

from typing import Annotated, Any

from fastapi import Depends, FastAPI

from ostiary import Account, Caller, Ostiary

auth = Ostiary.from_settings(issuer="http://127.0.0.1:8000/auth", database="memory:")
app = FastAPI(lifespan=auth.lifespan)
app.mount("/auth", auth.asgi)

CurrentCaller = Annotated[Caller, Depends(auth.caller)]
CurrentAccount = Annotated[Account, Depends(auth.account)]
FreshAdmin = Annotated[Caller, Depends(auth.require("admin", fresh=300))]


@app.get("/me")
async def me(caller: CurrentCaller) -> dict[str, Any]:
    """Known from the credential alone; nothing is read from the store at a repeated request."""
    return {"account": caller.account_id, "kind": caller.kind, "roles": sorted(caller.roles)}


@app.get("/hello")
async def hello(account: CurrentAccount) -> dict[str, str]:
    """The account's record, read from the store, without its password's hash."""
    return {"hello": account.display_name or account.username}


@app.delete("/everything")
async def clear(caller: FreshAdmin) -> dict[str, str]:
    """401 without a credential, 403 without the role, 403 if the password was proven too long ago."""
    return {"cleared_by": caller.account_id}
