"""Step-up: a dangerous action asks for the password first if it was proven too long ago, and goes on where it was."""

from ostiary.errors import ReauthenticationRequired
from ostiary.http.call import Call

FIELD = "confirm_password"
"""Of the form that carries the proof along with the action itself."""


def is_fresh(call: Call) -> bool:
    """Whether the caller's password was proven recently enough for a dangerous action."""
    return call.now - call.me.auth_time < call.services.config.reauthentication_window


async def confirm(call: Call) -> None:
    """Return if the proof is recent, or is in the form: then the session goes on under new credentials, and so does
    this call. Raises ReauthenticationRequired, WrongPassword, TooManyAttempts."""
    if is_fresh(call):
        return
    password = call.form.get(FIELD, "")
    if not password:
        raise ReauthenticationRequired
    issued = await call.services.sessions.reauthenticate(call.me, password, call.client)
    call.cookies += call.services.cookies.issue(issued, call.now)
    call.caller = await call.services.recognition.recognise(issued.access_token, call.now)
