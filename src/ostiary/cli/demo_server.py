"""What `ostiary demo` runs: a server in memory, accounts to try, and what to open and type."""

import secrets

from ostiary.cli.output import say
from ostiary.cli.server import run_server
from ostiary.compose import Ostiary
from ostiary.settings import Settings

_ACCOUNTS = (
    ("alice", "Alice Liddell", ("user",)),
    ("bob", "Bob Cratchit", ("user",)),
    ("root", "The administrator", ("user", "admin")),
)


def run_demo(settings: Settings) -> None:
    """Serve until Ctrl-C."""
    run_server(settings, started=_seed_and_tell)


async def _seed_and_tell(auth: Ostiary) -> None:
    url = auth.settings.issuer
    password = "-".join(secrets.token_hex(3) for _ in range(3))
    for username, name, roles in _ACCOUNTS:
        await auth.system.accounts.create(
            username=username, password=password, display_name=name, roles=roles, actor="demo"
        )
    names = ", ".join(username for username, _, _ in _ACCOUNTS[:-1])
    login = f"""curl -s {url}/v1/login --json '{{"username":"alice","password":"{password}","transport":"bearer"}}'"""
    say(f"Ostiary demo: {url}   (in memory: nothing is kept)")
    say()
    say(f"  open      {url}/login")
    say(f"  accounts  {names}, and {_ACCOUNTS[-1][0]} who is an administrator")
    say(f"  password  {password}   (the same for all; made for this run)")
    say()
    say("  one login, three kinds of credential:")
    for kind in ("session", "stateful", "stateless"):
        say("  " + login.replace('"transport"', f'"kind":"{kind}","transport"'))
    say()
    say("  and with the access_token of an answer:")
    say(f"  curl -s {url}/v1/me -H 'Authorization: Bearer …'")
    say()
    say("Ctrl-C stops it.")
