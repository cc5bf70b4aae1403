"""Which commands there are. Their modules are named here and imported when they are called."""

from cyclopts import App

from ostiary.version import __version__

_NOUNS = {
    "account": "Create, change and end accounts.",
    "session": "List and end sessions.",
    "client": "Register services, list and forget them.",
    "key": "The keys that sign tokens; and keys in files.",
    "token": "Take a token apart, judge it, make one.",
    "db": "The schema of the database.",
    "config": "What the settings are and where they come from.",
}
_VERBS = {
    "serve": "Serve the API and the pages.",
    "demo": "Try it: a server with seeded accounts in memory.",
    "download-server": "Serve files for one-time tokens, each good for one download.",
    "download": "Fetch a file for a one-time token.",
    "relay": "Hand revocations on to many verifiers, far from the auth server.",
    "bench": "Measure what each kind costs and how fast it ends, here.",
    "purge": "Remove what nothing can refer to any more.",
    "doctor": "Check this set-up and say how to mend it.",
}


def make_app() -> App:
    """The whole tree of commands; none of their modules is imported."""
    app = App(
        name="ostiary",
        help="Login state: one login, every later request recognised, and refused the moment it should be.",
        version=__version__,
        suppress_keyboard_interrupt=False,
        result_action="return_value",
    )
    for name, words in _VERBS.items():
        app.command(f"ostiary.cli.{name}:{name}".replace("-", "_"), name=name, help=words)
    for name, words in _NOUNS.items():
        app.command(f"ostiary.cli.{name}:app", name=name, help=words)
    return app


def noun(name: str) -> App:
    """The group of commands of one noun."""
    return App(name=name, help=_NOUNS[name], version_flags=[], result_action="return_value")
