"""The checks of `ostiary doctor` for a store on another machine, whichever it is: its clock, its nodes' secret key, and
what bound follows."""

from ostiary.cli.doctor_check import Check, failed, ok, warning
from ostiary.credentials.derived_keys import DerivedKeys
from ostiary.settings import Settings

_CLOCK_SLACK = 1.0  # seconds that the server's clock may differ from ours before somebody should look


def clock_check(name: str, time: float, *, before: float, after: float) -> Check:
    """`time` is what the server said between `before` and `after` by our own clock."""
    off = max(before - time, time - after, 0.0)
    if off > _CLOCK_SLACK:
        return warning(name, f"it differs by {off:.0f} s from this machine's", "set both clocks by NTP")
    return ok(name, "agrees with this machine's")


def same_key_check(fingerprint: str | None, settings: Settings) -> Check:
    """Whether this node's secret key is the one whose fingerprint the store keeps."""
    name = "secret_key_of_nodes"
    if settings.secret_key is None:
        hint = "make one with `openssl rand -base64 48` and set OSTIARY_SECRET_KEY_FILE on every node"
        return failed(name, "not set: nodes that share a store need the same", hint)
    if fingerprint is None:
        return ok(name, "no node has come with one yet")
    if DerivedKeys.from_secret(settings.secret_key).fingerprint != fingerprint:
        hint = "give this node the secret_key that the others have"
        return failed(name, "the nodes of this store have another one", hint)
    return ok(name, "the same as the other nodes'")


def bound_check(seconds: float | None) -> Check:
    """The bound in words; `None` if the server's settings give none."""
    if seconds is None:
        hint = "mend what is marked above; until then a power cut or a fail-over may revive what was ended"
        return warning("bound", "these settings give none", hint)
    return ok("bound", f"whatever a node ends, every node refuses within {seconds:g} s, and with ?wait=all at once")
