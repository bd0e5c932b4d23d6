"""The call in this process, but through the whole codec: what a wire would break, breaks here.

Arguments, answers and declared errors are written and read again; the callee sees the context that
it would see on another machine; and what the contract does not declare arrives as what a caller
would learn over HTTP, with the real error as its cause.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from strangler.ports import runtime
from strangler.ports.codec import BadArguments, codec
from strangler.ports.context import Trace, current, use
from strangler.ports.declare import Method, Port
from strangler.ports.errors import CallRefused, DeclaredError, OutcomeUnknown, TimedOut, TooLate


class Loopback:
    """Calls an implementation in this process through the codec."""

    __slots__ = ("_implementation",)

    def __init__(self, implementation: Port) -> None:
        self._implementation = implementation

    def connect(self, method: Method) -> Callable[..., Any]:
        """Its calls raise what calls over HTTP raise; nothing is tried again."""
        compiled = codec(method)
        implementation = getattr(self._implementation, method.name)

        def call(*args: Any, **kwargs: Any) -> Any:
            sent = compiled.encode_arguments(args, kwargs)
            context = current()
            now = time.monotonic()
            deadline = now + method.timeout
            if context.deadline is not None and context.deadline < deadline:
                deadline = context.deadline
            if deadline <= now:
                raise TooLate(f"{method}: the deadline had passed before anything was sent")
            arrived = context.replace(
                caller=runtime.wiring.party,
                hops=context.hops + 1,
                deadline=deadline,
                trace=(context.trace or Trace.begin()).child(),
            )
            try:
                arguments = compiled.decode_arguments(sent)
            except BadArguments as error:
                raise CallRefused(f"{method}: {error}") from error
            with use(arrived):
                try:
                    answer = compiled.encode_result(implementation(**arguments))
                except DeclaredError as error:
                    if not compiled.declares(error):
                        raise _unknown(method, error) from error
                    raise compiled.decode_error(compiled.encode_error(error)) from error
                except Exception as error:
                    raise _unknown(method, error) from error
            if time.monotonic() > deadline:
                raise TimedOut(f"{method}: no answer before the deadline")
            return compiled.decode_result(answer)

        return call


def _unknown(method: Method, error: Exception) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"{method} failed with {type(error).__name__}: {error}. Over HTTP a caller learns no more "
        "than this; name it in raises=[…] if callers are to know"
    )
