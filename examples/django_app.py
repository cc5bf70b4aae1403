"""Login state in front of Django (pip install "ostiary[django]"). Run: uvicorn examples.django_app:app

In a project of your own, this is asgi.py; settings and URLs stay where they are. Under WSGI there is no such place: let
a reverse proxy ask Ostiary, or check tokens with `Verifier.wsgi`.
"""

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path
from starlette.applications import Starlette
from starlette.routing import Mount

from ostiary import Caller, Ostiary

settings.configure(SECRET_KEY="Django's own", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["127.0.0.1"])
auth = Ostiary.from_settings(issuer="http://127.0.0.1:8000/auth", database="memory:")


def notes(request: HttpRequest) -> JsonResponse:
    """Who calls is in the scope, in synchronous views and in asynchronous ones."""
    caller: Caller = request.scope["user"]
    return JsonResponse({"notes_of": caller.account_id})


urlpatterns = [path("notes", notes)]
app = Starlette(
    routes=[Mount("/auth", auth.asgi), Mount("/", auth.protect(get_asgi_application()))],
    lifespan=auth.lifespan,
)
