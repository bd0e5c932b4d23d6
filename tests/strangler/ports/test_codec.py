from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from strangler.ports.codec import BadArguments, BadResult, Codec, codec
from strangler.ports.declare import Meta, Port, command, methods, query
from strangler.ports.errors import BadAnswer, DeclaredError
from tests.strangler.ports.test_declare import Everything, Good, Node
from tests.strangler.ports.values import arguments, values


@dataclass(frozen=True, slots=True)
class Odd:
    amount: Decimal = Decimal(1)
    real: float | None = 1.0
    at: datetime = datetime(2024, 1, 1, tzinfo=UTC)
    clock: time = time(1)
    table: dict[str, Decimal] | None = None
    pairs: tuple[tuple[Decimal, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Positive:
    value: int

    def __post_init__(self) -> None:
        if self.value <= 0:
            raise ValueError("a value is positive")


class Unfit(DeclaredError):
    """It does not fit."""

    at: datetime
    sizes: list[int]
    reason: str = "none given"


class Narrower(Unfit):
    """A declared error's subclass is another error."""


class Undeclared(DeclaredError):
    """Nobody has declared this."""


class Odds(Port, capability="odds"):
    """Values that are hard to carry."""

    @query(raises=[Unfit])
    def odd(self, odd: Odd, n: Annotated[int, Meta(ge=0)] = 0, *, flag: bool = False) -> list[Odd]:
        """Odd ones."""

    @query()
    def positive(self, value: Positive) -> Positive:
        """Checked by its own class."""

    @command()
    def named(self, first: int, *, second: int, third: int = 3) -> None:
        """Parameters by name only."""


class Newer(Port, capability="odds"):
    """The same port as a newer peer knows it."""

    @query(raises=[Undeclared])
    def odd(self, odd: Odd, extra: str) -> list[Odd]:
        """One parameter more."""


ODD = codec(methods(Odds)["odd"])
NAMED = codec(methods(Odds)["named"])
POSITIVE = codec(methods(Odds)["positive"])


@given(arguments(methods(Good)["ask"]))
def test_any_arguments_arrive_as_they_were_sent(call: dict[str, Any]):
    ask = codec(methods(Good)["ask"])
    arrived = ask.decode_arguments(ask.encode_arguments((), call))
    assert arrived == call
    assert repr(arrived["everything"].amount) == repr(call["everything"].amount)


@given(values(list[Node]))
def test_any_answer_arrives_as_it_was_sent(nodes: list[Node]):
    ask = codec(methods(Good)["ask"])
    assert ask.decode_result(ask.encode_result(nodes)) == nodes


@given(st.builds(Unfit, at=values(datetime), sizes=values(list[int]), reason=values(str)))
def test_any_declared_error_arrives_as_it_was_raised(error: Unfit):
    arrived = ODD.decode_error(ODD.encode_error(error))
    assert type(arrived) is Unfit
    assert arrived.detail() == error.detail()
    assert str(arrived) == str(error)


def test_every_scalar_on_the_wire():
    everything = Everything(
        text="ä", number=-1, real=0.5, flag=True, amount=Decimal("1.50"),
        at=datetime(2024, 2, 29, 12, tzinfo=timezone(timedelta(hours=2))), on=date(2024, 2, 29),
        clock=time(23, 59, 1), length=timedelta(days=1, seconds=2),
        key=UUID(int=1), data=b"\x00\xff", colour="red", size=1, word="a", sku="s",
        many=[], fixed=(1, "x"), some=(Decimal("0.1"),), table={"a": [1]}, perhaps=None,
        either=7, old_style=None, older=None,
    )  # type: ignore[arg-type]  # fmt: skip
    body = codec(methods(Good)["ask"]).encode_arguments((Node("n", []), everything), {})
    assert json.loads(body)["everything"] == {
        "text": "ä",
        "number": -1,
        "real": 0.5,
        "flag": True,
        "amount": "1.50",
        "at": "2024-02-29T12:00:00+02:00",
        "on": "2024-02-29",
        "clock": "23:59:01",
        "length": "P1DT2S",
        "key": "00000000-0000-0000-0000-000000000001",
        "data": "AP8=",
        "colour": "red",
        "size": 1,
        "word": "a",
        "sku": "s",
        "many": [],
        "fixed": [1, "x"],
        "some": ["0.1"],
        "table": {"a": [1]},
        "perhaps": None,
        "either": 7,
        "old_style": None,
        "older": None,
        "short": "x",
    }


@pytest.mark.parametrize(
    ("odd", "path"),
    [
        (Odd(amount=Decimal("NaN")), "$.odd.amount"),
        (Odd(amount=Decimal("sNaN")), "$.odd.amount"),
        (Odd(amount=Decimal("-Infinity")), "$.odd.amount"),
        (Odd(amount=Decimal("1E+1000")), "$.odd.amount"),
        (Odd(amount=Decimal("1E-1000")), "$.odd.amount"),
        (Odd(real=float("nan")), "$.odd.real"),
        (Odd(real=float("inf")), "$.odd.real"),
        (Odd(at=datetime(2024, 1, 1)), "$.odd.at"),  # noqa: DTZ001 - naive is what is refused
        (Odd(at=datetime(1800, 1, 1, tzinfo=timezone(timedelta(seconds=1)))), "$.odd.at"),
        (Odd(clock=time(1, tzinfo=UTC)), "$.odd.clock"),
        (Odd(table={"a": Decimal(1), "b": Decimal("inf")}), "$.odd.table['b']"),
        (Odd(pairs=((Decimal(1), ""), (Decimal("nan"), ""))), "$.odd.pairs[1][0]"),
    ],
)
def test_what_would_not_arrive_as_it_was_sent_is_not_sent(odd: Odd, path: str):
    with pytest.raises(BadArguments) as raised:
        ODD.encode_arguments((odd,), {})
    assert raised.value.path == path
    with pytest.raises(BadResult) as answered:
        ODD.encode_result([Odd(), odd])
    assert path.replace("$.odd", "$[1]") in str(answered.value)
    assert "odds.odd returned" in str(answered.value)


def nested(depth: int) -> list[Any]:
    inner: list[Any] = []
    for _ in range(depth):
        inner = [inner]
    return inner


@pytest.mark.parametrize(
    "value",
    ["\ud800", ["\ud800"], 10**5000, nested(100_000), object()],
    ids=["surrogate", "surrogate within", "huge int", "nested", "object"],
)
def test_what_python_alone_can_hold_is_not_sent(value: Any):
    with pytest.raises(BadArguments):
        ODD.encode_arguments((value,), {})


@pytest.mark.parametrize(
    ("body", "path", "reason"),
    [
        (b"", "$", "truncated"),
        (b"{", "$", "truncated"),
        (b"garbage", "$", "malformed"),
        (b"[]", "$", "Expected `object`, got `array`"),
        (b"null", "$", "Expected `object`, got `null`"),
        (b'{"odd":{}} {}', "$", "trailing characters"),
        (b"\xff\xfe", "$", "malformed"),
        (b'{"odd": "\xff"}', "$.odd", "Expected `object`"),
        (b'{"odd": {"table": {"\xff": "1"}}}', "$", "Expected text in UTF-8"),
        (b"[" * 100_000, "$", ""),
        (b'{"odd":' + b'{"x":' * 100_000, "$", "Nested too deeply"),
        (b"{}", "$.odd", "Required, but missing"),
        (b'{"odd": null}', "$.odd", "Expected `object`, got `null`"),
        (b'{"odd": {"amount": "x"}}', "$.odd.amount", "Invalid decimal string"),
        (b'{"odd": {"amount": true}}', "$.odd.amount", "Expected `decimal`, got `bool`"),
        (b'{"odd": {"amount": "NaN"}}', "$.odd.amount", "Expected a finite decimal, got NaN"),
        (b'{"odd": {"amount": "\\u004eaN"}}', "$.odd.amount", "Expected a finite decimal"),
        (b'{"odd": {"amount": "-inf"}}', "$.odd.amount", "Expected a finite decimal"),
        (b'{"odd": {"amount": "1e999999999"}}', "$.odd.amount", "exponent within"),
        (b'{"odd": {"amount": 1e-5000}}', "$.odd.amount", "exponent within"),
        (b'{"odd": {"real": 1e999}}', "$.odd.real", "Number out of range"),
        (b'{"odd": {"at": "2024-01-01T00:00:00"}}', "$.odd.at", "with a time zone"),
        (b'{"odd": {"at": "2024-13-01T00:00:00Z"}}', "$.odd.at", "Invalid RFC3339"),
        (b'{"odd": {"at": 1700000000}}', "$.odd.at", "Expected `datetime`, got `int`"),
        (b'{"odd": {"clock": "01:00:00Z"}}', "$.odd.clock", "without a time zone"),
        (b'{"odd": {"pairs": [["1"]]}}', "$.odd.pairs[0]", "length 2"),
        (b'{"odd": {}, "n": -1}', "$.n", "Expected `int` >= 0"),
        (b'{"odd": {}, "n": 1.5}', "$.n", "Expected `int`, got `float`"),
        (b'{"odd": {}, "n": "1"}', "$.n", "Expected `int`, got `str`"),
        (b'{"odd": {}, "n": ' + b"9" * 5000 + b"}", "$.n", "out of range"),
        (b'{"odd": {}, "flag": 1}', "$.flag", "Expected `bool`, got `int`"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_arguments_say_where_and_what(body: bytes, path: str, reason: str):
    with pytest.raises(BadArguments) as raised:
        ODD.decode_arguments(body)
    assert raised.value.path == path
    assert reason in raised.value.reason
    assert str(raised.value) == f"{path}: {raised.value.reason}"


@given(st.binary(max_size=64) | st.text(max_size=64).map(str.encode))
def test_any_bytes_are_arguments_or_bad_arguments(body: bytes):
    try:
        call = ODD.decode_arguments(body)
    except BadArguments:
        return
    assert call.keys() == {"odd", "n", "flag"}


def test_what_a_newer_peer_says_besides_is_ignored():
    newer = codec(methods(Newer)["odd"])
    body = newer.encode_arguments((Odd(),), {"extra": "x"})
    assert ODD.decode_arguments(body) == {"odd": Odd(), "n": 0, "flag": False}
    with pytest.raises(BadArguments, match=r"\$\.extra: Required, but missing"):
        newer.decode_arguments(ODD.encode_arguments((Odd(),), {}))


def test_of_a_key_that_is_there_twice_the_last_counts():
    assert ODD.decode_arguments(b'{"odd": {}, "n": 1, "n": 2}')["n"] == 2


def test_a_decimal_may_come_as_a_number_and_is_not_rounded():
    text = "0.1000000000000000055511151231257827"
    call = ODD.decode_arguments(f'{{"odd": {{"amount": {text}}}}}'.encode())
    assert call["odd"].amount == Decimal(text)


def test_an_integer_is_as_long_as_it_is():
    assert ODD.decode_arguments(b'{"odd": {}, "n": 123456789012345678901234567890}')["n"] == (
        123456789012345678901234567890
    )


def test_a_dto_checks_itself():
    assert POSITIVE.decode_arguments(b'{"value": {"value": 1}}') == {"value": Positive(1)}
    with pytest.raises(BadArguments, match=r"\$\.value: a value is positive"):
        POSITIVE.decode_arguments(b'{"value": {"value": 0}}')


def test_arguments_are_bound_as_the_signature_says():
    body = NAMED.encode_arguments((1,), {"second": 2})
    assert NAMED.decode_arguments(body) == {"first": 1, "second": 2, "third": 3}
    for args, kwargs, said in (
        ((1, 2), {}, "positional"),
        ((1,), {}, "second"),
        ((1,), {"second": 2, "first": 1}, "first"),
        ((1,), {"second": 2, "fourth": 4}, "fourth"),
    ):
        with pytest.raises(TypeError, match=said) as raised:
            NAMED.encode_arguments(args, kwargs)
        assert not isinstance(raised.value, BadArguments)
        assert str(raised.value).startswith("odds.named(): ")


@pytest.mark.parametrize("result", [object(), (odd for odd in ()), [Odd(), Port()], ["\ud800"]])
def test_an_implementation_that_returns_something_else_is_told(result: Any):
    with pytest.raises(BadResult, match=r"odds\.odd returned"):
        ODD.encode_result(result)


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"{}", b"[{}, 1]", b'[{"amount": "NaN"}]', b"[" * 100_000]
)
def test_a_bad_answer_is_no_answer(body: bytes):
    with pytest.raises(BadAnswer, match=r"odds\.odd answered"):
        ODD.decode_result(body)


def test_only_what_is_declared_may_be_raised():
    fit = {"at": datetime(2024, 1, 1, tzinfo=UTC), "sizes": [1]}
    assert ODD.declares(Unfit(**fit))
    assert not ODD.declares(Narrower(**fit))
    for error in (Undeclared(), Narrower(**fit)):
        with pytest.raises(BadResult, match=f"raised {type(error).__name__}: name it in raises"):
            ODD.encode_error(error)
    with pytest.raises(BadResult, match=r"raised Unfit with \$.at: Expected a datetime"):
        ODD.encode_error(Unfit(datetime(2024, 1, 1), []))  # noqa: DTZ001 - naive is what is refused


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"oops", "malformed"),
        (b"{}", "$.error: Required, but missing"),
        (b'{"error": "Undeclared", "detail": {}}', "Undeclared, which this side does not know"),
        (b'{"error": "Unfit", "detail": {"sizes": []}}', "$.at: Required, but missing"),
        (b'{"error": "Unfit", "detail": {"at": "2024-01-01T00:00", "sizes": []}}', "$.at"),
        (b'{"error": "Unfit", "detail": {"at": "2024-01-01T00:00:00", "sizes": []}}', "$.at"),
    ],
)
def test_an_error_that_can_t_be_read_is_a_bad_answer(body: bytes, said: str):
    with pytest.raises(BadAnswer) as raised:
        ODD.decode_error(body)
    assert said in str(raised.value)


def test_an_error_s_fields_may_have_defaults():
    body = b'{"error": "Unfit", "detail": {"at": "2024-01-01T00:00:00Z", "sizes": [], "new": 1}}'
    error = ODD.decode_error(body)
    assert isinstance(error, Unfit)
    assert error.reason == "none given"


def test_a_method_is_compiled_once():
    method = methods(Odds)["odd"]
    assert codec(method) is codec(method)
    assert isinstance(codec(method), Codec)


class Defaults(Port, capability="defaults"):
    """Defaults of every sort."""

    @query()
    def ask(
        self,
        odd: Odd = Odd(),
        *,
        sizes: tuple[int, ...] = (1,),
        amount: Decimal = Decimal("1.50"),
        on: date = date(2020, 1, 1),
        table: dict[str, int] | None = None,
    ) -> None:
        """Ask."""


def test_what_is_left_out_takes_the_port_s_default():
    ask = codec(methods(Defaults)["ask"])
    expected = {
        "odd": Odd(),
        "sizes": (1,),
        "amount": Decimal("1.50"),
        "on": date(2020, 1, 1),
        "table": None,
    }
    assert ask.decode_arguments(b"{}") == expected
    assert ask.decode_arguments(ask.encode_arguments((), {})) == expected
