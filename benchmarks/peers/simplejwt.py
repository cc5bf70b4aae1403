"""djangorestframework-simplejwt with rotation and blacklist on SQLite: runs in the peers' environment.

python simplejwt.py PORT DIRECTORY CORE COUNT makes COUNT refresh tokens, writes them to tokens.json and serves.
"""

import json
import os
import sys
from datetime import timedelta
from pathlib import Path

import django
from django.conf import settings

PORT, DIRECTORY, CORE, COUNT = int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
os.sched_setaffinity(0, {CORE})
settings.configure(
    DEBUG=False,
    SECRET_KEY="0123456789abcdef0123456789abcdef0123456789abcdef",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[
        "django.contrib.auth", "django.contrib.contenttypes", "rest_framework", "rest_framework_simplejwt",
        "rest_framework_simplejwt.token_blacklist",
    ],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],  # sets Content-Length
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": DIRECTORY / "peer.db",
            "CONN_MAX_AGE": None,
            # as durable as ours, and so that a write waits instead of failing
            "OPTIONS": {
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
            },
        }
    },
    REST_FRAMEWORK={"DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"]},
    SIMPLE_JWT={
        "ROTATE_REFRESH_TOKENS": True,
        "BLACKLIST_AFTER_ROTATION": True,
        "REFRESH_TOKEN_LIFETIME": timedelta(days=7),
        "UPDATE_LAST_LOGIN": False,
    },
)  # fmt: skip
django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import path  # noqa: E402
from gunicorn.app.base import BaseApplication  # noqa: E402
from rest_framework_simplejwt.tokens import RefreshToken  # noqa: E402
from rest_framework_simplejwt.views import TokenRefreshView  # noqa: E402

urlpatterns = [path("refresh", TokenRefreshView.as_view())]
call_command("migrate", verbosity=0)
users = User.objects.bulk_create([User(username=f"user-{at}", password="!") for at in range(COUNT)])
(DIRECTORY / "tokens.json").write_text(json.dumps([str(RefreshToken.for_user(user)) for user in User.objects.all()]))


class Server(BaseApplication):
    """gunicorn with one worker and one thread: more threads only wait for SQLite's one writer."""

    def load_config(self) -> None:
        wanted = {
            "bind": f"127.0.0.1:{PORT}", "workers": 1, "worker_class": "gthread", "threads": 1, "keepalive": 75,
            "loglevel": "error", "control_socket_disable": True, "when_ready": lambda _server: print("{}", flush=True),
        }  # fmt: skip
        for name, value in wanted.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> object:
        return get_wsgi_application()


Server().run()
