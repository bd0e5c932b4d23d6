from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from strangler.ports.declare import Port, query
from strangler.ports.errors import DeclaredError
from strangler.ports.freezing.freeze import (
    REMEDY,
    Document,
    Incompatible,
    NoSuchRevision,
    broken,
    check,
    committed,
    digest,
    documents,
    freeze_all,
    fresh,
    frozen,
    render,
    stale,
)


@dataclass(frozen=True, slots=True)
class Thing:
    name: str
    size: int = 1


class Unknown(DeclaredError, status=404):
    """There is none."""

    name: str


class Things(Port, capability="things"):
    """Things."""

    @query(raises=[Unknown])
    def thing(self, name: str, size: int | None = None) -> Thing:
        """One thing."""


class ThingsLater(Port, capability="things"):
    """The same with a parameter more."""

    @query(raises=[Unknown], timeout=5)
    def thing(self, name: str, size: int | None = None, colour: str = "red") -> Thing:
        """One thing, documented anew."""


class ThingsBroken(Port, capability="things"):
    """The same with a parameter that must be there."""

    @query(raises=[Unknown])
    def thing(self, name: str, size: int | None) -> Thing:
        """One thing."""


class Others(Port, capability="others"):
    """Another contract."""

    @query()
    def other(self) -> int:
        """Another thing."""


REQUIRED_NOW = "things.thing(size): is required now (in the request; callers first, then provider)"


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", "-C", folder, *identity, *arguments], check=True, capture_output=True)


def frozen_as(port: type[Port]) -> dict[str, Document]:
    return documents([port])


def test_a_frozen_port_says_what_it_means_on_the_wire():
    assert frozen(Things) == {
        "capability": "things",
        "methods": {
            "thing": {
                "kind": "query",
                "idempotent": True,
                "parameters": {
                    "type": "object",
                    "properties": {
                        "name": {"type": "string"},
                        "size": {
                            "anyOf": [{"type": "integer"}, {"type": "null"}],
                            "default": None,
                        },
                    },
                    "required": ["name"],
                },
                "returns": {"$ref": "#/types/Thing"},
                "raises": {
                    "Unknown": {
                        "status": 404,
                        "detail": {
                            "type": "object",
                            "properties": {"name": {"type": "string"}},
                            "required": ["name"],
                        },
                    }
                },
            }
        },
        "types": {
            "Thing": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "size": {"type": "integer", "default": 1},
                },
                "required": ["name"],
            }
        },
    }


def test_the_digest_changes_with_the_wire_and_with_nothing_else():
    class SameThings(Port, capability="things"):
        """Other words."""

        @query(raises=[Unknown], timeout=9)
        def thing(self, name: str, size: int | None = None) -> Thing:
            """Other words."""

    class ThingsService(Things):
        pass

    assert digest(Things) == digest(SameThings) == digest(ThingsService)
    assert digest(Things) != digest(ThingsLater)
    assert len(digest(Things)) == 32


def test_what_is_frozen_is_checked(tmp_path: Path):
    folder = tmp_path / "frozen"
    everything = documents([Things, Others])
    assert fresh(everything, folder) == {"things.json": 1, "others.json": 1}
    missing = check(everything, folder)
    assert len(missing) == 2
    assert all(line.endswith(f".json is not there yet: {REMEDY}") for line in missing)
    assert freeze_all(everything, folder) == [], "nobody can rely on it yet"
    assert fresh(everything, folder) == {}
    assert sorted(path.name for path in folder.iterdir()) == ["others.json", "things.json"]
    assert (folder / "things.json").read_text() == render(frozen(Things))
    assert committed(folder) == everything
    assert check(everything, folder) == []
    assert freeze_all(everything, folder) == []


def test_code_that_has_left_its_files_behind_is_told_how_to_catch_up(tmp_path: Path):
    freeze_all(frozen_as(Things), tmp_path)
    later = frozen_as(ThingsLater)
    (line,) = check(later, tmp_path)
    assert f"things.json is not what the code says: {REMEDY}" in line
    assert "things.thing(colour): added, optional" in line
    freeze_all(later, tmp_path)
    assert check(later, tmp_path) == []


def test_files_without_code_and_code_without_files_are_told(tmp_path: Path):
    freeze_all(frozen_as(Things), tmp_path)
    assert sorted(stale(frozen_as(Others), tmp_path)) == ["others.json", "things.json"]


def test_a_difference_that_changes_nothing_is_told_too(tmp_path: Path):
    document = frozen(Things)
    document["types"]["Renamed"] = document["types"].pop("Thing")
    document["methods"]["thing"]["returns"] = {"$ref": "#/types/Renamed"}
    freeze_all({"things.json": document}, tmp_path)
    assert stale(frozen_as(Things), tmp_path) == {"things.json": []}


def test_an_incompatible_change_is_not_frozen(tmp_path: Path):
    freeze_all(frozen_as(Things), tmp_path)
    before = (tmp_path / "things.json").read_text()
    with pytest.raises(Incompatible) as raised:
        freeze_all({**frozen_as(ThingsBroken), **frozen_as(Others)}, tmp_path)
    assert [str(change) for change in raised.value.changes] == [REQUIRED_NOW]
    assert REQUIRED_NOW in str(raised.value)
    assert "freeze it with a reason" in str(raised.value)
    assert (tmp_path / "things.json").read_text() == before
    assert not (tmp_path / "others.json").exists()


def test_a_reason_is_remembered(tmp_path: Path):
    freeze_all(frozen_as(Things), tmp_path)
    freeze_all(frozen_as(ThingsBroken), tmp_path, reason="nobody calls it yet")
    memory = json.loads((tmp_path / "things.json").read_text())["breaking"]
    assert memory == [{"reason": "nobody calls it yet", "what": [REQUIRED_NOW]}]
    assert check(frozen_as(ThingsBroken), tmp_path) == []
    freeze_all(frozen_as(Things), tmp_path)
    assert committed(tmp_path)["things.json"]["breaking"] == memory


def test_a_contract_that_goes_needs_a_reason(tmp_path: Path):
    freeze_all(documents([Things, Others]), tmp_path)
    with pytest.raises(Incompatible, match=r"others\.other: removed"):
        freeze_all(frozen_as(Things), tmp_path)
    assert (tmp_path / "others.json").exists()
    freeze_all(frozen_as(Things), tmp_path, reason="retired")
    assert not (tmp_path / "others.json").exists()


def test_what_was_committed_at_another_revision_must_still_hold(tmp_path: Path):
    folder = tmp_path / "contracts" / "frozen"
    freeze_all(frozen_as(Things), folder)
    (folder / "README").write_text("not a contract")
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "one")
    main = committed(folder, "main")
    assert main == frozen_as(Things)

    assert check(frozen_as(Things), folder, main) == []
    freeze_all(frozen_as(ThingsLater), folder)
    assert check(frozen_as(ThingsLater), folder, main) == []

    (folder / "things.json").write_text(render(frozen(ThingsBroken)))
    assert check(frozen_as(ThingsBroken), folder, main) == [REQUIRED_NOW]
    assert [str(change) for change in broken(main, committed(folder))] == [REQUIRED_NOW]

    freeze_all(frozen_as(Things), folder)
    freeze_all(frozen_as(ThingsBroken), folder, reason="nobody calls it yet")
    assert check(frozen_as(ThingsBroken), folder, main) == []


def test_an_old_reason_excuses_nothing_new(tmp_path: Path):
    freeze_all(frozen_as(Things), tmp_path)
    freeze_all(frozen_as(ThingsBroken), tmp_path, reason="once")
    main = committed(tmp_path)
    freeze_all(frozen_as(Things), tmp_path)
    relaxed = committed(tmp_path)
    memory: dict[str, Any] = relaxed["things.json"]
    (tmp_path / "things.json").write_text(
        render({**frozen(ThingsBroken), "breaking": memory["breaking"]})
    )
    assert broken(main, committed(tmp_path)) == []
    assert [str(change) for change in broken(relaxed, committed(tmp_path))] == [REQUIRED_NOW]


def test_a_revision_that_git_does_not_know(tmp_path: Path):
    with pytest.raises(NoSuchRevision):
        committed(tmp_path, "main")
    git(tmp_path, "init", "-q", "-b", "main")
    with pytest.raises(NoSuchRevision, match="nowhere"):
        committed(tmp_path, "nowhere")


def test_a_revision_without_frozen_contracts_promises_nothing(tmp_path: Path):
    folder = tmp_path / "frozen"
    folder.mkdir()
    (tmp_path / "README").write_text("nothing yet")
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "one")
    assert committed(folder, "main") == {}


def test_a_file_that_is_no_json_is_named(tmp_path: Path):
    (tmp_path / "things.json").write_text("{<<<<<<< HEAD")
    with pytest.raises(ValueError, match=r"things\.json is no JSON") as raised:
        check(frozen_as(Things), tmp_path)
    assert REMEDY in str(raised.value)
