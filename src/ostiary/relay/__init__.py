"""What stands between an issuer and many verifiers far away: it follows the revocation feed and hands it on."""

from ostiary.relay.relay import Relay
from ostiary.relay.server import RelayServer

__all__ = ["Relay", "RelayServer"]
