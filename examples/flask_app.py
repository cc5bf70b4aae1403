"""Login state in front of Flask (pip install "ostiary[flask]"). Run: uvicorn examples.flask_app:app

The same goes for every WSGI application. Flask runs in threads; the login is checked before a thread is taken.
"""

from a2wsgi import WSGIMiddleware
from flask import Flask, request
from starlette.applications import Starlette
from starlette.routing import Mount

from ostiary import Caller, Ostiary

auth = Ostiary.from_settings(issuer="http://127.0.0.1:8000/auth", database="memory:")
notebook = Flask(__name__)


@notebook.get("/notes")
def notes() -> dict[str, str]:
    """Who calls is in the scope that the adapter hands on."""
    caller: Caller = request.environ["asgi.scope"]["user"]
    return {"notes_of": caller.account_id}


app = Starlette(
    routes=[Mount("/auth", auth.asgi), Mount("/", auth.protect(WSGIMiddleware(notebook)))],
    lifespan=auth.lifespan,
)
