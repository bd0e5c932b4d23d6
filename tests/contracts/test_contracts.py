"""The shop's own contracts: frozen as they are, and carried whole, whatever they carry."""

from __future__ import annotations

import pkgutil
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import contracts
from strangler import manifest
from strangler.events import freezing as telling
from strangler.ports.codec import codec
from strangler.ports.declare import Method, Port, capability, methods
from strangler.ports.errors import DeclaredError
from strangler.ports.face import Face
from strangler.ports.freezing import freeze
from tests.strangler.ports.values import arguments, values

ROOT = Path(contracts.__file__).parents[1]
FROZEN = ROOT / "contracts" / "frozen"


def ports() -> dict[str, type[Port]]:
    """Every port that a module of ``contracts`` declares."""
    modules = [
        import_module(f"contracts.{module.name}")
        for module in pkgutil.iter_modules(contracts.__path__)
    ]
    found = [
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Port) and value is not Port
    ]
    return {capability(port): port for port in found}


FEW = settings(max_examples=30)  # of each: there are many methods
METHODS = [method for port in ports().values() for method in methods(port).values()]
ERRORS = [(method, error) for method in METHODS for error in method.raises]


def test_each_capability_has_a_contract_and_no_contract_is_left_over():
    named = manifest.load(ROOT / "router" / "capabilities.toml", {}).capabilities
    assert {f"{port.__module__}:{port.__name__}" for port in ports().values()} == {
        capability.contract for capability in named.values()
    }
    assert ports().keys() == named.keys()


def test_the_contracts_are_frozen_as_they_are():
    said = {**freeze.documents(ports().values()), **telling.documents(ports())}
    assert freeze.check(said, FROZEN) == []
    assert list(telling.problems(freeze.committed(FROZEN))) == []


@pytest.mark.parametrize("method", METHODS, ids=str)
@FEW
@given(data=st.data())
def test_any_call_arrives_as_it_was_made(method: Method, data: st.DataObject):
    call = data.draw(arguments(method))
    one = codec(method)
    assert one.decode_arguments(one.encode_arguments((), call)) == call
    in_order = tuple(call[parameter.name] for parameter in method.parameters)
    assert one.decode_arguments(one.encode_arguments(in_order, {})) == call


@pytest.mark.parametrize("method", METHODS, ids=str)
@FEW
@given(data=st.data())
def test_any_answer_arrives_as_it_was_given(method: Method, data: st.DataObject):
    answer = data.draw(values(method.returns))
    one = codec(method)
    assert one.decode_result(one.encode_result(answer)) == answer


@pytest.mark.parametrize(("method", "error"), ERRORS, ids=str)
@FEW
@given(data=st.data())
def test_any_error_arrives_as_it_was_raised(
    method: Method, error: type[DeclaredError], data: st.DataObject
):
    raised: Any = data.draw(values(error))
    one = codec(method)
    arrived = one.decode_error(one.encode_error(raised))
    assert (type(arrived), arrived.detail()) == (error, raised.detail())


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_any_method_could_be_a_face(method: Method):
    responses = Face(method).operation()["responses"]
    assert responses.keys() == {"200", "400", *(str(error.status) for error in method.raises)}
