"""Whether this very server would accept a credential, step by step, and why not. Looks, and changes nothing: nothing is
remembered, spent, counted or marked as used.

What the store knows is told only of a credential that is genuine: whoever makes one up learns no more here than from a
request that is refused.
"""

from dataclasses import replace
from types import MappingProxyType

from ostiary import jose
from ostiary.credentials import opaque
from ostiary.credentials.access_token import AccessToken
from ostiary.credentials.explain import Rules, bare_token, explain
from ostiary.credentials.explained import Check, Form, Outcome, Report
from ostiary.credentials.kinds import KIND_OF_TYPE
from ostiary.domain.account import authorization_epoch
from ostiary.domain.refresh import Presented, judge
from ostiary.domain.session import Kind, Session
from ostiary.domain.signing_key import KeyState
from ostiary.errors import InvalidToken
from ostiary.services.context import Context
from ostiary.services.recognition import Recognition
from ostiary.services.signing_keys import SigningKeys
from ostiary.services.token_verification import Expired

_REFRESHES = frozenset((Presented.CURRENT, Presented.PREDECESSOR))
_KEY_CODES = MappingProxyType({KeyState.RETIRED: "key_retired", KeyState.REVOKED: "key_revoked"})


class TokenReports:
    """Use case of explaining. It judges for Ostiary's own API: meant for the issuer, and not for an actor."""

    def __init__(self, context: Context, keys: SigningKeys, recognition: Recognition) -> None:
        self._context = context
        self._keys = keys
        self._recognition = recognition

    def rules(self) -> Rules:
        """What this server expects of an access token, unless told otherwise."""
        return Rules(
            issuer=self._context.policy.issuer,
            audience=(self._context.policy.issuer,),
            types=tuple(KIND_OF_TYPE),
            leeway=self._context.policy.clock_leeway,
            actors=False,
        )

    async def examine(
        self, text: str, now: float, rules: Rules | None = None, *, reveal_encrypted: bool = False
    ) -> Report:
        """The report, with a verdict. What an encrypted token says is judged, and shown only with `reveal_encrypted`:
        it was encrypted so that whoever holds it cannot read it. Raises Unavailable if this process cannot know what
        has been revoked."""
        await self._recognition.check_lease()
        own = rules or self.rules()
        report = explain(text, now=now, keys=self._keys.ring.key_sets, rules=own)
        token = bare_token(text)
        if not report.readable or (report.refusal is not None and report.refusal.name == "form"):
            return report
        if report.form is Form.SESSION_TOKEN:
            return _with(report, *await self._session_token(token, own, now))
        if report.form is Form.REFRESH_TOKEN:
            return _with(report, *await self._refresh_token(token, now))
        if report.form is Form.JWS:
            return await self._access_token(report, token, now)
        return await self._encrypted(report, token, own, now, reveal=reveal_encrypted)

    async def _encrypted(self, outer: Report, token: str, rules: Rules, now: float, *, reveal: bool) -> Report:
        ring = self._keys.ring
        try:
            shown = ring.show(token)
        except jose.JoseError:
            return outer
        inner = await self._access_token(explain(shown, now=now, keys=ring.key_sets, rules=rules), token, now)
        first, *others = inner.checks
        return replace(
            inner,
            form=outer.form,
            size=outer.size,
            header=outer.header,
            claims=inner.claims if reveal else None,
            cautions=inner.cautions if reveal else outer.cautions,
            checks=(first, Check(name="encryption", outcome=Outcome.PASSED), *others),
        )

    async def _access_token(self, report: Report, token: str, now: float) -> Report:
        if report.signature is not None and report.signature.code == "unknown_key":
            return await self._with_state_of_key(report, report.signature.kid)
        if report.type not in KIND_OF_TYPE:
            return report  # asked for by whoever gave the rules; no request of ours is made with it
        try:
            read, kid = self._recognition.verification.verify(token, now)
        except Expired as expired:
            return _with(
                report, *await self._state(expired.token, report.signature.kid if report.signature else "", now)
            )
        except InvalidToken as error:
            # the steps say it; if they should not, this does: what decides elsewhere decides here
            return report if report.refusal is not None else _with(report, _failed("shape", error.private or "invalid"))
        return _with(report, *await self._state(read, kid, now))

    async def _with_state_of_key(self, report: Report, kid: str) -> Report:
        """A key that this server had once is told apart from one that it never had: key ids are public."""
        records = {record.id: record for record in await self._keys.all()}
        code = _KEY_CODES.get(records[kid].state, "") if kid in records else ""
        if not code:
            return report
        return replace(
            report,
            checks=tuple(replace(check, code=code) if check.name == "key" else check for check in report.checks),
        )

    async def _state(self, token: AccessToken, kid: str, now: float) -> list[Check]:
        """`revoked`, then `session` and `account`: they decide about the stateful kind, and are told of the other."""
        replica = self._context.replica
        session = await self._context.store.sessions.get(token.session_id)
        if token.kind is Kind.STATELESS:
            revoked = self._revoked(token.session_id, token.version, token.account_id, token.epoch, kid)
            return [revoked, *(_noted(check) for check in await self._of_session(session, now))]
        if token.version < replica.session_version(token.session_id) or replica.key_is_revoked(kid):
            return [self._revoked(token.session_id, token.version, "", replica.floor, kid)]
        if session is not None and session.version != token.version:
            return [_failed("session", "moved_on")]
        return await self._of_session(session, now)

    def _revoked(self, session_id: str, version: int, account_id: str, epoch: int, kid: str) -> Check:
        replica = self._context.replica
        if replica.key_is_revoked(kid):
            return _failed("revoked", "key_revoked")
        if version < replica.session_version(session_id):
            return _failed("revoked", "session_revoked")
        if epoch < replica.floor:
            return _failed("revoked", "everything_revoked")
        if epoch < replica.account_epoch(account_id):
            return _failed("revoked", "epoch_revoked")
        return Check(name="revoked", outcome=Outcome.PASSED)

    async def _session_token(self, token: str, rules: Rules, now: float) -> list[Check]:
        digest = opaque.token_digest(self._context.derived, token)
        session = await self._context.store.sessions.by_token_digest(digest)
        if session is None:
            return [_failed("session", "no_such_token")]
        meant = not set(rules.audience).isdisjoint(session.audience)
        values = {"aud": ", ".join(session.audience), "expected": ", ".join(rules.audience)}
        audience = Check(
            name="aud",
            outcome=Outcome.PASSED if meant else Outcome.FAILED,
            code="ok" if meant else "wrong_audience",
            values=values,
        )
        return [*await self._of_session(session, now), audience]

    async def _refresh_token(self, token: str, now: float) -> list[Check]:
        presented = opaque.parse_refresh_token(self._context.derived, token)
        if presented is None:
            return [_failed("refresh", "forged")]
        session = await self._context.store.sessions.get(presented.session_id)
        checks = await self._of_session(session, now)
        if session is None or session.refresh is None:
            return checks
        meaning = judge(
            session.refresh,
            generation=presented.generation,
            digest=presented.digest,
            now=now,
            grace=self._context.policy.lifetimes.refresh_grace,
        )
        outcome = Outcome.PASSED if meaning in _REFRESHES else Outcome.FAILED
        return [*checks, Check(name="refresh", outcome=outcome, code=meaning.value)]

    async def _of_session(self, session: Session | None, now: float) -> list[Check]:
        if session is None:
            return [_failed("session", "unknown")]
        issuer = await self._context.store.issuer()
        account = await self._context.store.accounts.get(session.account_id)
        checks = [self._life(session, issuer.everything, now)]
        if account is None or account.disabled:
            checks.append(_failed("account", "gone" if account is None else "disabled"))
        else:
            epoch = authorization_epoch(account.epoch, issuer.everything)
            checks.append(Check(name="account", outcome=Outcome.PASSED, values={"epoch": str(epoch)}))
        return checks

    def _life(self, session: Session, everything: int, now: float) -> Check:
        seen = replace(session, last_seen_at=self._recognition.known.last_seen(session))
        if seen.is_live(now, everything):
            return Check(name="session", outcome=Outcome.PASSED, at=seen.idle_expires_at)
        if seen.ended_at is not None:
            return Check(name="session", outcome=Outcome.FAILED, code="ended", at=seen.ended_at)
        if seen.everything != everything:
            return _failed("session", "everything_ended")
        over = now >= seen.expires_at
        return Check(
            name="session",
            outcome=Outcome.FAILED,
            code="over" if over else "idle",
            at=seen.expires_at if over else seen.idle_expires_at,
        )


def _with(report: Report, *checks: Check) -> Report:
    return replace(report, checks=(*report.checks, *checks))


def _failed(name: str, code: str) -> Check:
    return Check(name=name, outcome=Outcome.FAILED, code=code)


def _noted(check: Check) -> Check:
    """The store's word does not decide about a token that says everything itself: the revocation log does."""
    return replace(check, outcome=Outcome.NOTED)
