"""Asking a service, over HTTP, whether it is ready and which contract it speaks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

from strangler.gates import Probe
from strangler.manifest import Capability

PATIENCE = 3.0
"""Seconds that a service has to say whether it is ready."""

_direct = build_opener(ProxyHandler({}))


def probe(capability: Capability, digest: str | None) -> tuple[Probe, ...]:
    """What each replica of the service says; ``digest`` is that of the contract on this side."""
    return probe_all([(capability, digest)])[capability.name]


def probe_all(asked: Sequence[tuple[Capability, str | None]]) -> dict[str, tuple[Probe, ...]]:
    """What the replicas of these capabilities say, all asked at once."""
    questions = [
        (capability.name, url, digest) for capability, digest in asked for url in capability.service
    ]
    answers: dict[str, list[Probe]] = {capability.name: [] for capability, _ in asked}
    with ThreadPoolExecutor(max_workers=16) as pool:
        for (name, _, _), answer in zip(
            questions, pool.map(lambda one: _ask(*one), questions), strict=True
        ):
            answers[name].append(answer)
    return {name: tuple(probes) for name, probes in answers.items()}


def _ask(name: str, url: str, digest: str | None) -> Probe:
    try:
        with _direct.open(f"{url.rstrip('/')}/readyz", timeout=PATIENCE) as answer:
            body = answer.read(65536)
    except HTTPError as error:
        with error:
            return Probe(url, ready=False, detail=_reason(error))
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        return Probe(url, ready=False, detail=f"can't be reached: {reason}")
    return Probe(url, ready=True, detail="is ready", ours=digest, theirs=_digest(name, body))


def _reason(error: HTTPError) -> str:
    said = _object(error.read(65536)).get("missing")
    if isinstance(said, dict) and said:
        missing = ", ".join(f"{name}: {what}" for name, what in said.items())
        return f"is not ready: {missing}"
    return f"answers {error.code} on /readyz"


def _digest(name: str, body: bytes) -> str | None:
    contracts = _object(body).get("contracts")
    digest = contracts.get(name) if isinstance(contracts, dict) else None
    return digest if isinstance(digest, str) else None


def _object(body: bytes) -> dict[str, object]:
    try:
        value = json.loads(body)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
