"""The short-lived signed token in which a context travels between kit parties.

A compact JWS, signed with Ed25519 and nothing else. It names who calls (``iss``), who is called
(``aud``), on which face (``use``) and what exactly (``act``), so that a captured one opens nothing
else; and it lives for seconds. One for queries is signed once and used for a while. One for a
command is good for a single delivery of a single body, on the HTTP face at a single target.

The deadline is not in it: what remains of it changes with every call, and clocks differ.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from base64 import urlsafe_b64encode
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Protocol

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from msgspec import Meta

from strangler.ladder import COHORTS, Arm
from strangler.ports import forks
from strangler.ports.bounded import Bounded
from strangler.ports.context import NO_PINS, NOTHING_FORCED, Context, User
from strangler.ports.trust.keys import Keyring

ALGORITHM = "Ed25519"
LIFETIME = 30
"""Seconds that a token is good for; one that claims more is refused."""
REUSE = 10
"""Seconds that a query's token is used again for another query of the same content."""
LEEWAY = 5
"""Seconds by which two clocks may differ."""
LONGEST = 8192
"""Characters of a token at most."""
NOTHING = "this token proves nothing here; the log of the party that was asked says why"
"""What is said about a token whose signature is not that of a party whose key is here."""
_TYPE = "strangler+jwt"
_QUIET = 1.0
_CACHED = 4096
_KID = 64

_log = logging.getLogger("strangler.trust")


class Use(StrEnum):
    """Which face a token is for: the one never passes on the other."""

    PORT = "port"
    HTTP = "http"
    FORCE = "force"
    """Not a call, but a tester's wish for an arm."""
    AGENT = "agent"
    """What an agent tells the control plane."""
    EVENTS = "events"
    """A batch of events, for a consumer."""


class TokenRefused(Exception):
    """A token does not prove what it should. As text it says why.

    ``reason`` is what the caller may hear: who has proved nothing yet does not learn whose keys are
    here, and finds ``NOTHING`` instead.
    """

    def __init__(self, why: str, *, told: str | None = None) -> None:
        super().__init__(why)
        self.reason = why if told is None else told


class ReplayGuard(Protocol):
    """Remembers which single-use tokens have been delivered.

    The default remembers within one process. Where several processes answer, put a store that they
    share here: ``runtime.configure(replays=…)``.
    """

    def first(self, issuer: str, token: str, expires: float) -> bool:
        """Is this the first time? ``expires`` (seconds since the epoch) is when to forget it."""


class Claims(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a token says. Times are in seconds since the epoch."""

    iss: str
    aud: str
    use: Use
    act: str
    iat: float
    exp: float
    sub: str | None = None
    rol: tuple[str, ...] = ()
    coh: Annotated[int, Meta(ge=0, lt=COHORTS)] | None = None
    hop: Annotated[int, Meta(ge=0)] = 0
    shd: bool = False
    rhs: bool = False
    frc: dict[str, Arm] = {}
    jti: Annotated[str, Meta(min_length=16, max_length=64)] | None = None
    dig: str | None = None
    tgt: str | None = None
    drs: tuple[str, ...] = ()
    epo: Annotated[int, Meta(ge=0)] = 0
    pin: tuple[str, ...] = ()


class _Header(msgspec.Struct, forbid_unknown_fields=True):
    alg: str
    kid: str
    typ: str


_encode = msgspec.json.Encoder().encode
_claims = msgspec.json.Decoder(Claims)

_Content = tuple[object, ...]
_minted: Bounded[_Content, str] = Bounded(_CACHED)
_verified: Bounded[tuple[Keyring, str], tuple[Claims, Context, OKPKey]] = Bounded(_CACHED)


class Remembered:
    """The replay guard of one process. Full of tokens that still live, it lets none in."""

    def __init__(self, limit: int = 100_000) -> None:
        self._limit = limit
        self._seen: dict[tuple[str, str], float] = {}
        self.after_fork()
        forks.watch(self)

    def after_fork(self) -> None:
        """A lock of the child's own."""
        self._lock = threading.Lock()

    def first(self, issuer: str, token: str, expires: float) -> bool:
        """Is this the first time?

        Raises:
            TokenRefused: too many commands within a token's lifetime.
        """
        key = (issuer, token)
        with self._lock:
            if key in self._seen:
                return False
            if len(self._seen) >= self._limit:
                self._forget(time.time())
            if len(self._seen) >= self._limit:
                raise TokenRefused(f"more than {self._limit} commands in {LIFETIME} seconds")
            self._seen[key] = expires
            return True

    def _forget(self, now: float) -> None:
        self._seen = {key: expires for key, expires in self._seen.items() if expires > now}


_remembered = Remembered()


def mint(
    keyring: Keyring,
    context: Context,
    *,
    audience: str,
    use: Use,
    action: str,
    once: bool = False,
    body: bytes | None = None,
    target: str | None = None,
    now: float | None = None,
) -> str:
    """Sign what is known about a call, for one party and one action.

    Args:
        keyring: whose own key signs; its party is the caller.
        context: what travels. Its ``hops`` are those of the call that is about to be made.
        audience: the party that is called.
        use: the face that is called.
        action: what is called: ``capability.method`` on ports.
        once: make it good for one delivery, as commands need it.
        body: what exactly may be delivered with it.
        target: path and query string at which the body may be delivered, one character for each
            byte. Without a body, any body may be, once: an edge that has the request but streams it
            knows no digest.
        now: seconds since the epoch, for tests.
    """
    now = time.time() if now is None else now
    user = context.user
    digest = _digest(body, target) if body is not None else None
    anything = _digest(b"", target) if body is None and once and target is not None else None
    forced = tuple(context.forced.items()) if context.forced else ()
    pins = tuple(sorted(context.pins)) if context.pins else ()
    content: _Content = (
        keyring, audience, use, action, user, context.cohort, context.hops, context.shadow,
        context.rehearsal, forced, digest, context.doors, context.epoch, pins,
    )  # fmt: skip
    if not once:
        found = _minted.get(content, now)
        if found is not None:
            return found
    claims = Claims(
        iss=keyring.party,
        aud=audience,
        use=use,
        act=action,
        iat=now,
        exp=now + LIFETIME,
        sub=user.id if user else None,
        rol=user.roles if user else (),
        coh=context.cohort,
        hop=context.hops,
        shd=context.shadow,
        rhs=context.rehearsal,
        frc=dict(forced),
        jti=secrets.token_urlsafe(16) if once else None,
        dig=digest,
        tgt=anything,
        drs=context.doors,
        epo=context.epoch,
        pin=pins,
    )
    header = {"alg": ALGORITHM, "kid": keyring.party, "typ": _TYPE}
    token = jws.serialize_compact(header, _encode(claims), keyring.own, algorithms=[ALGORITHM])
    if not once:
        _minted.put(content, token, now + REUSE)
    return token


def verify(
    keyring: Keyring,
    token: str,
    *,
    use: Use,
    action: str,
    once: bool = False,
    body: bytes | None = None,
    target: str | None = None,
    replays: ReplayGuard | None = None,
    now: float | None = None,
) -> Context:
    """The context that a token proves: all of it but the deadline and the trace.

    Args:
        keyring: whose party is called, and who is known.
        token: what came in.
        use: the face that it came in on.
        action: what is asked for.
        once: it must be good for one delivery, and this the first.
        body: what was delivered with it; must be what was signed.
        target: where the body was delivered; must be what was signed with it.
        replays: who remembers deliveries; by default this process.
        now: seconds since the epoch, for tests.

    Raises:
        TokenRefused: it proves none of this; says why.
    """
    now = time.time() if now is None else now
    key = (keyring, token)
    found = _verified.get(key, now)
    if found is None or keyring.public(found[0].iss) is not found[2]:
        claims, public = _checked(keyring, token)
        found = (claims, _context(claims), public)
        if claims.jti is None:
            _verified.put(key, found, claims.exp)
    claims, context, _ = found
    _check(claims, keyring.party, use, action, now)
    if body is not None and not _delivers(claims, body, target):
        what = "the body" if target is None else "the body or the target"
        raise TokenRefused(f"{what} is not the one that was signed")
    if once:
        if claims.jti is None:
            raise TokenRefused("a command needs a token of its own (jti)")
        if not (replays or _remembered).first(claims.iss, claims.jti, claims.exp + LEEWAY):
            raise TokenRefused("this token has been delivered before")
    return context


def _checked(keyring: Keyring, token: str) -> tuple[Claims, OKPKey]:
    """The claims of a token that one of the known parties has signed, and its public key."""
    if len(token) > LONGEST:
        raise TokenRefused(f"longer than {LONGEST} characters")
    try:
        parts = jws.extract_compact(token.encode("ascii"))
        header = msgspec.convert(parts.headers(), _Header)
    except (JoseError, ValueError, TypeError) as error:
        raise TokenRefused("not a token of this kit") from error
    if header.alg != ALGORITHM or header.typ != _TYPE:
        raise TokenRefused(f"alg {header.alg!r}, typ {header.typ!r}: only {ALGORITHM} and {_TYPE}")
    key = keyring.public(header.kid)
    if key is None:
        raise _stranger(f"no public key of {_short(header.kid)} (kid) here")
    try:
        genuine = jws.validate_compact(parts, key, algorithms=[ALGORITHM])
    except (JoseError, ValueError, TypeError) as error:
        raise _stranger("the signature can't be checked") from error
    if not genuine:
        raise _stranger(f"the signature is not that of {_short(header.kid)}")
    try:
        claims = _claims.decode(parts.payload)
    except (msgspec.MsgspecError, ValueError) as error:
        raise TokenRefused(f"the claims are wrong: {error}") from error
    if claims.iss != header.kid:
        raise TokenRefused(f"signed by {header.kid!r}, but says that it is from {claims.iss!r}")
    return claims, key


class _Quiet:
    """Says at most one thing a second: whoever wants to can cause any number of them."""

    def __init__(self) -> None:
        self._next = 0.0

    def say(self, why: str) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _QUIET
            _log.warning("a token is refused: %s", why)


_quiet = _Quiet()


def _stranger(why: str) -> TokenRefused:
    _quiet.say(why)
    return TokenRefused(why, told=NOTHING)


def _short(kid: str) -> str:
    return repr(kid if len(kid) <= _KID else f"{kid[:_KID]}…")


def _check(claims: Claims, party: str, use: Use, action: str, now: float) -> None:
    if claims.aud != party:
        raise TokenRefused(f"meant for {claims.aud!r} (aud), and this is {party!r}")
    if claims.use is not use:
        raise TokenRefused(f"good on the {claims.use} face (use), and this is the {use} face")
    if claims.act != action:
        raise TokenRefused(f"good for {claims.act!r} (act), not for {action!r}")
    if claims.exp - claims.iat > LIFETIME:
        raise TokenRefused(f"lives for {claims.exp - claims.iat:g} seconds; at most {LIFETIME}")
    if claims.iat > now + LEEWAY:
        raise TokenRefused("issued in the future (iat): compare the clocks")
    if claims.exp + LEEWAY <= now:
        raise TokenRefused("expired (exp)")


def _delivers(claims: Claims, body: bytes, target: str | None) -> bool:
    """May this be delivered there with that token?"""
    if claims.dig is None and claims.tgt is not None:
        return target is not None and claims.tgt == _digest(b"", target)
    return claims.dig == _digest(body, target)


def _context(claims: Claims) -> Context:
    return Context(
        caller=claims.iss,
        user=User(claims.sub, claims.rol) if claims.sub is not None else None,
        cohort=claims.coh,
        hops=claims.hop,
        shadow=claims.shd,
        rehearsal=claims.shd and claims.rhs,
        forced=claims.frc or NOTHING_FORCED,
        doors=claims.drs,
        epoch=claims.epo,
        pins=frozenset(claims.pin) if claims.pin else NO_PINS,
    )


def _digest(body: bytes, target: str | None) -> str:
    digest = sha256()
    if target is not None:
        # A request line has no line feed, so it is clear where the body begins.
        digest.update(target.encode("utf-8", "surrogatepass") + b"\n")
    digest.update(body)
    return urlsafe_b64encode(digest.digest()).rstrip(b"=").decode("ascii")
