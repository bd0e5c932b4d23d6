"""The commands about rows, word for word, over two SQLite files."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from textwrap import dedent

import pytest
from django.utils import timezone

from strangler.cli import transfer
from strangler.django.control_plane import control
from strangler.django.models import Transfer, Writer
from strangler.ladder import Stage
from tests.strangler.cli.conftest import Said, Terminal
from tests.strangler.django.plane import Plane
from tests.strangler.django.transfer.rows import ANN, Rows, rows


@pytest.fixture
def catalog(kit: Plane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rows]:
    with rows(kit, tmp_path, monkeypatch) as made:
        yield made


def text(expected: str) -> str:
    return dedent(expected).lstrip("\n")


def lines(said: Said) -> list[str]:
    """What was printed: times are N, and spaces one, since a time makes its column wide."""
    return [
        re.sub(r"\b[\d.]+ (ms|s)\b", "N", " ".join(line.split()))
        for line in said.out.splitlines()
        if line
    ]


def flat(said: Said) -> str:
    """The same on one line."""
    return " ".join(lines(said))


def reported(**changes: object) -> None:
    """What the mover has said just now."""
    report = {
        "pending": 0,
        "oldest": 0.0,
        "lag": 0.04,
        "beats": 20,
        "rate": 0.0,
        "carried": 1234,
        "parked": 0,
        "stuck": [],
        "missing": [],
        "backfill": None,
    }
    Transfer.objects.update_or_create(
        capability="catalog",
        defaults={
            "reported": timezone.now(),
            "report": report | changes,
            "holder": "vm:7:7",
            "until": timezone.now() + timedelta(seconds=10),
            "backfilled": changes.get("backfill") is None,
        },
    )


def test_status_before_anything_flows(strangler: Terminal, catalog: Rows) -> None:
    said = strangler("transfer", "status")
    assert (said.code, said.err) == (0, "")
    assert said.out == "catalog: monolith, the monolith owns, epoch 1\n"


def test_status_where_nothing_may_flow(strangler: Terminal) -> None:
    said = strangler("transfer", "status")
    assert (said.code, said.err) == (0, "")
    assert said.out == (
        "no capability with tables says in the manifest how its rows map (`transfer`)\n"
    )


def test_status_without_a_mover(strangler: Terminal, catalog: Rows) -> None:
    control.advance("catalog", actor=ANN)
    said = strangler("transfer", "status", "catalog")
    assert (said.code, said.err) == (1, "")
    assert said.out == text(
        """
        catalog: replicating, the monolith owns, epoch 1
          no mover carries its rows: start 'strangler mover'
          mover  none
        """
    )


def test_status_of_a_backfill(strangler: Terminal, catalog: Rows) -> None:
    control.advance("catalog", actor=ANN)
    reported(
        pending=1500,
        oldest=90.0,
        lag=None,
        rate=2500.0,
        backfill={"enqueued": 5000, "total": 1_003_500, "done": False},
    )
    said = strangler("transfer", "status", "catalog")
    assert (said.code, said.err) == (0, "")
    assert said.out == text(
        """
        catalog: replicating, the monolith owns, epoch 1
          mover         vm:7:7, heard 0 s ago
          on their way  1,500 dirty keys, the oldest for 90 s; 2,500 a second, 1,234 in
                        all
          lag           not known yet
          backfill      5,000 of about 1,003,500 rows, 2,500 rows/s, 7 min left
        """
    )


def test_status_of_rows_that_do_not_fit(strangler: Terminal, catalog: Rows) -> None:
    control.advance("catalog", actor=ANN)
    reported(
        parked=3,
        stuck=[{"table": "catalog_product", "key": "A-1", "reason": "price.currency: no XXX"}],
        missing=["product: its capture trigger"],
    )
    revision = control.history("catalog")[0].revision
    for name, door, keys in (("catalog.views.products", True, 70), ("cron import", False, 2)):
        Writer.objects.create(
            capability="catalog",
            since_revision=revision,
            name=name,
            door=door,
            keys=keys,
            last=timezone.now(),
        )
    said = strangler("transfer", "status", "catalog")
    assert (said.code, said.err) == (1, "")
    assert said.out == text(
        """
        catalog: replicating, the monolith owns, epoch 1
          not in place: product: its capture trigger
          3 rows can't be applied
          mover         vm:7:7, heard 0 s ago
          on their way  0 dirty keys; 0 a second, 1,234 in all
          lag           40 ms for 99 of 100 rows
          backfill      done
          parked        3 keys could not be applied
                        catalog_product A-1: price.currency: no XXX
                        …
          writers       70 keys by the door
                        2 past the door by cron import, last MM-DD HH:MM:SS
        """
    )


def test_a_change_of_owner_is_forecast(strangler: Terminal, catalog: Rows) -> None:
    catalog.climb(Stage.CANARY)
    said = strangler("transfer", "switch", "catalog", "--dry-run")
    assert (said.code, said.err) == (0, "")
    assert lines(said) == [
        "step takes",
        "close door N measured",
        "freeze N measured",
        "drain N measured",
        "verify N measured",
        "tell N measured",
        "number N measured",
        "decide N measured",
        "open N measured",
        "publish - not known before the first change of owner",
        "hand over N measured",
        "open door N measured",
        "catalog: commands would wait for about N, of N at most",
    ]
    assert catalog.row.epoch == 1


def test_a_freeze_that_would_be_too_long(
    strangler: Terminal, catalog: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog.climb(Stage.CANARY)
    steps = {"publish": 6.0}
    Transfer.objects.update(
        switches=[
            {
                "epoch": 1,
                "at": timezone.now().isoformat(),
                "freeze": 6.0,
                "drained": 0,
                "steps": steps,
            }
        ]
    )
    said = strangler("transfer", "switch", "catalog", "--dry-run")
    assert said.code == 1
    assert flat(said).endswith("of N at most: that is too long, and would be undone")
    said = strangler("transfer", "switch", "catalog", "--dry-run", "--json")
    assert (said.code, said.json["fits"], said.json["budget"]) == (1, False, 1.6)
    assert said.json["freeze"] > 6.0
    by_action = {one["action"]: one for one in said.json["steps"]}
    assert by_action["publish"] == {"action": "publish", "seconds": 6.0, "measured": False}
    assert by_action["decide"]["measured"]
    assert by_action["freeze"]["measured"]


def test_moves_say_how_long_commands_waited(strangler: Terminal, catalog: Rows) -> None:
    catalog.climb(Stage.CANARY)
    said = strangler("advance", "catalog", "--to", "live", "--force", "--reason", "x")
    assert said.code == 0
    assert lines(said)[-1] == "catalog: commands waited for N at most"
    said = strangler("rollback", "catalog", "--json")
    assert said.code == 0
    assert 0 < said.json["freeze"] < 5
    assert strangler("rollback", "catalog", "--json").json["freeze"] is None
    (seen,) = strangler("transfer", "status", "catalog", "--json").json["capabilities"]
    assert [one["epoch"] for one in seen["switches"]] == [3, 2]
    assert set(seen["switches"][0]["steps"]) >= {"freeze", "drain", "decide", "open"}
    said = strangler("transfer", "status", "catalog")
    assert "freezes N MM-DD HH:MM:SS " in flat(said)


def test_verify(strangler: Terminal, catalog: Rows) -> None:
    control.advance("catalog", actor=ANN)
    said = strangler("transfer", "verify", "catalog")
    assert (said.code, said.err) == (1, "")
    assert said.out == text(
        """
        catalog: 3 rows in 0 s, and not the same: 1 missing in category, 2 missing in
        product, 2 missing in price
                 row          why
        missing  category 1
        missing  product A-1
        missing  price A-1
        missing  product A-2
        missing  price A-2
        """
    )
    catalog.carry()
    said = strangler("transfer", "verify", "catalog")
    assert (said.code, said.out) == (0, "catalog: 3 rows in 0 s, the same on both sides\n")
    said = strangler("transfer", "verify", "catalog", "--json")
    assert said.json.keys() == {
        "capability", "epoch", "rows", "seconds", "resumed", "findings",
    }  # fmt: skip
    assert (said.code, said.json["rows"], said.json["findings"]) == (0, 3, [])


def test_a_long_list_of_rows_that_differ_is_cut_short(strangler: Terminal, catalog: Rows) -> None:
    for number in range(100, 120):
        catalog.add(f"B-{number}")
    control.advance("catalog", actor=ANN)
    said = strangler("transfer", "verify", "catalog")
    assert "22 missing in product, 22 missing in price" in flat(said)
    assert said.out.count("\nmissing") == 20
    assert said.out.endswith("… --json lists all of them\n")
    assert len(strangler("transfer", "verify", "catalog", "--json").json["findings"]) == 45


def test_repair(strangler: Terminal, catalog: Rows) -> None:
    said = strangler("transfer", "repair", "catalog")
    assert (said.code, said.out) == (1, "")
    assert said.err == "the monolith's database has no owner row\n"
    catalog.climb(Stage.REPLICATING)
    assert strangler("transfer", "repair", "catalog").out == "catalog: nothing was half done\n"
    catalog.monolith("UPDATE strangler_owner SET frozen = 1")
    said = strangler("transfer", "repair", "catalog", "--json")
    assert (said.code, said.json) == (0, {"capability": "catalog", "done": ["thaw"]})


def test_a_database_that_is_out_of_reach(strangler: Terminal, catalog: Rows) -> None:
    catalog.climb(Stage.LIVE)
    with catalog.service_away():
        for command in (
            ("transfer", "verify", "catalog"),
            ("transfer", "switch", "catalog", "--dry-run"),
            ("transfer", "repair", "catalog"),
        ):
            said = strangler(*command)
            assert (said.code, said.out) == (1, "")
            assert "ROOT/service.sqlite3: unable to open database file" in said.err
        said = strangler("rollback", "catalog")
        assert said.code == 1
        assert "its keys are at risk: 0 keys had not come back" in said.err
        assert said.err.endswith("strangler rollback catalog --accept-loss --reason '…'\n")
        assert strangler("rollback", "catalog", "--accept-loss").code == 2
        said = strangler("rollback", "catalog", "--accept-loss", "--reason", "gone")
        assert (said.code, said.err) == (0, "")
        assert flat(said) == (
            "catalog: live → shadow, rollback, revision 5 forced, without what these gates want: "
            "failed in step the service's database was given up: 0 keys had not come back when the "
            "mover last said so, N ago; what was written since is not counted"
        )
        said = strangler("transfer", "repair", "catalog", "--accept-loss")
        assert (said.code, said.out) == (0, "catalog: nothing was half done\n")


@pytest.fixture
def unnamed(catalog: Rows, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rows]:
    """Nobody says where the service's database is."""
    monkeypatch.delenv("STRANGLER_CATALOG_DATABASE")
    before = [(one, signal.getsignal(one)) for one in (signal.SIGTERM, signal.SIGINT)]
    yield catalog
    for one, handler in before:
        signal.signal(one, handler)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["transfer", "switch", "catalog"], 2, "Here it is only rehearsed: --dry-run"),
        (["transfer", "verify", "catalo"], 2, "did you mean catalog?"),
        (["transfer", "verify", "pricing"], 1, "capability.pricing.transfer is missing"),
        (["mover", "pricing"], 1, "capability.pricing.transfer is missing"),
        (["mover", "nobody"], 2, "no capability is named 'nobody'"),
        (["mover"], 1, "there is nothing to carry"),
    ],
)
def test_what_can_t_be_done_is_said(
    strangler: Terminal, unnamed: Rows, arguments: list[str], code: int, said: str
) -> None:
    found = strangler(*arguments)
    assert found.code == code
    assert said in " ".join(found.err.split())


def test_json_of_status(strangler: Terminal, catalog: Rows) -> None:
    control.advance("catalog", actor=ANN)
    reported(
        parked=1,
        stuck=[{"table": "t", "key": "1", "reason": "no"}],
        backfill={"enqueued": 1, "total": 2, "done": False},
    )
    (seen,) = strangler("transfer", "status", "--json").json["capabilities"]
    assert seen.keys() == {
        "capability",
        "stage",
        "owner",
        "epoch",
        "flows",
        "backfilled",
        "wrong",
        "holder",
        "report",
        "verified",
        "writers",
        "switches",
    }
    assert (seen["stage"], seen["owner"], seen["verified"]) == ("replicating", "monolith", None)
    assert seen["holder"].keys() == {"name", "age"}
    assert seen["report"]["stuck"] == [{"table": "t", "key": "1", "reason": "no"}]
    assert seen["report"]["backfill"] == {"enqueued": 1, "total": 2, "rate": 0.0, "left": None}
    assert seen["wrong"] == ["1 rows can't be applied"]


def test_watching_rows(strangler: Terminal, catalog: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []

    def interrupted(_: float) -> None:
        looks.append(1)
        if len(looks) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(transfer.time, "sleep", interrupted)
    said = strangler("transfer", "status", "--watch", "--json")
    assert said.code == 0
    assert len([json.loads(line) for line in said.out.splitlines()]) == 3
    looks.clear()
    said = strangler("transfer", "status", "--watch")
    assert said.code == 0
    assert "catalog: monolith, the monolith owns, epoch 1" in said.out


def test_a_bar_is_for_terminals_and_on_standard_error(
    strangler: Terminal,
    catalog: Rows,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from strangler.cli import run

    control.advance("catalog", actor=ANN)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    run(["transfer", "verify", "catalog", "--json"])
    said = capsys.readouterr()
    assert json.loads(said.out)["rows"] == 3
    assert "comparing catalog" in said.err
    assert "━" in said.err
    reported(backfill={"enqueued": 1, "total": 2, "done": False})
    run(["transfer", "status", "catalog"])
    assert "━" in capsys.readouterr().out


def test_the_mover_says_what_it_carries_and_stops_when_it_is_told(tmp_path: Path) -> None:
    """A real process, whose database does not know it yet."""
    environ = {
        **os.environ,
        "VAR": str(tmp_path / "var"),
        "STRANGLER_CATALOG_DATABASE": f"sqlite:///{tmp_path / 'service.sqlite3'}",
    }
    environ.pop("DJANGO_SETTINGS_MODULE", None)
    process = subprocess.Popen(
        [sys.executable, "-c", "from strangler.cli import main; main()", "mover"],
        cwd=Path(__file__).parents[3],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "the mover carries catalog\n"
        time.sleep(0.5)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        _, complaints = process.communicate(timeout=20)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 0
    assert "inventory is not carried: nothing says where inventory's own database" in complaints
