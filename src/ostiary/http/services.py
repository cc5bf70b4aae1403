"""What handlers may call: the use cases, and the shell's own parts."""

from dataclasses import dataclass

from ostiary.clock import Clock
from ostiary.http.authentication import Authenticator
from ostiary.http.config import HttpConfig
from ostiary.http.cookies import Cookies
from ostiary.http.dpop import ProofReader
from ostiary.http.metrics import Metrics
from ostiary.http.pages import Pages
from ostiary.services.accounts import Accounts
from ostiary.services.audit import Audit
from ostiary.services.client_authentication import ClientAuthentication
from ostiary.services.clients import Clients
from ostiary.services.context import Context
from ostiary.services.exchange import Exchange
from ostiary.services.first_run import FirstRun
from ostiary.services.followers import Followers
from ostiary.services.forward_auth import ForwardAuth
from ostiary.services.introspection import Introspection
from ostiary.services.known_clients import KnownClients
from ostiary.services.nodes import Nodes
from ostiary.services.one_time_tokens import OneTimeTokens
from ostiary.services.overview import Overview
from ostiary.services.password_changes import PasswordChanges
from ostiary.services.passwords import Passwords
from ostiary.services.recognition import Recognition
from ostiary.services.refresh import Refresh
from ostiary.services.sessions import Sessions
from ostiary.services.sign_in import SignIn
from ostiary.services.signing_keys import SigningKeys
from ostiary.services.status_lists import StatusLists


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Handed in by `compose`."""

    config: HttpConfig
    clock: Clock
    context: Context
    authenticator: Authenticator
    cookies: Cookies
    proofs: ProofReader
    pages: Pages
    accounts: Accounts
    first_run: FirstRun
    overview: Overview
    password_changes: PasswordChanges
    passwords: Passwords
    sessions: Sessions
    sign_in: SignIn
    refresh: Refresh
    recognition: Recognition
    signing_keys: SigningKeys
    audit: Audit
    metrics: Metrics
    one_time_tokens: OneTimeTokens
    forward_auth: ForwardAuth
    clients: Clients
    known_clients: KnownClients
    client_authentication: ClientAuthentication
    exchange: Exchange
    followers: Followers
    introspection: Introspection
    nodes: Nodes
    status_lists: StatusLists
