"""What a person sees, word for word: in 80 columns, and without colours where it is no terminal."""

from __future__ import annotations

import re
from datetime import timedelta
from textwrap import dedent

import pytest
from django.utils import timezone

from strangler.cli import found
from strangler.django.control_plane import control
from strangler.django.models import CapabilityState, ShadowDifference
from strangler.ladder import Stage
from tests.strangler.cli.conftest import Terminal
from tests.strangler.django.plane import Plane, service


def text(expected: str) -> str:
    return dedent(expected).lstrip("\n")


def stands(stage: Stage, percent: int | None = None) -> None:
    control.advance(
        "pricing", to=stage, percent=percent, actor="ann@shop", force=True, reason="a test"
    )


def since(minutes: int) -> None:
    then = timezone.now() - timedelta(minutes=minutes)
    CapabilityState.objects.filter(name="pricing").update(since=then)


def test_status_before_anything_has_moved(strangler: Terminal) -> None:
    said = strangler("status")
    assert (said.code, said.err) == (0, "")
    assert said.out == text(
        """
        no capability has moved yet

        capability  stage     owner     since  arm  requests  errors  p95
        catalog     monolith  monolith  -      -
        pricing     monolith  monolith  -      -

        next                   waits for
        pricing → shadow       nothing: advance
        catalog → replicating  no move yet: nothing says how its rows map
        """
    )


def test_status_of_a_canary(strangler: Terminal, kit: Plane) -> None:
    stands(Stage.SHADOW)
    stands(Stage.CANARY)
    control.hold("pricing", actor="ann@shop")
    kit.answered("monolith", 1204)
    kit.answered("service", 12, failures=1)
    since(10)
    assert strangler("status").out == text(
        """
        revision 3, routing table in step

        capability  stage       owner     since   arm       requests  errors    p95
        catalog     monolith    monolith  -       -
        pricing     canary 5 %  monolith  10 min  monolith     1,204     0 %  16 ms
                    held                          service         12  8.33 %  16 ms

        next                   waits for
        pricing → canary 25 %  healthy: of the service: 12 of 20 requests: about 7 min
                               more at today's rate
        catalog → replicating  no move yet: nothing says how its rows map
        """
    )


def test_status_while_the_table_lags(strangler: Terminal, kit: Plane) -> None:
    stands(Stage.SHADOW)
    (kit.root / "table" / "current").unlink()
    said = strangler("status").out.splitlines()
    assert " ".join(said[:4]).startswith(
        "revision 1 the routing table can't be asked, so calls go to the owner: ROOT/table/current:"
    )


def test_a_refused_move(strangler: Terminal, kit: Plane) -> None:
    stands(Stage.SHADOW)
    kit.compared(12)
    kit.differs()
    since(2)
    said = strangler("advance", "pricing")
    assert (said.code, said.out) == (1, "")
    assert said.err == text(
        """
        pricing stays on shadow: the gate to canary 5 % is shut
          failed        compared   POST /api/pricing/quote: $.tax differs (value, status
                                   200 and 200) in 3 of 12 comparisons (at most 0):
                                   monolith "3.80", service "3.20"
          inconclusive  compared   12 of 20 comparisons: about 81 s more at today's rate
          passed        reachable  1 of 1 replicas are ready: all speak this contract
        Mend what failed, and ask again.
          to see what was asked  strangler diffs pricing
          after a repair         strangler renew pricing --reason "…"
          without the evidence   --force --reason "…"
        """
    )


def test_an_inconclusive_move(strangler: Terminal, kit: Plane) -> None:
    stands(Stage.SHADOW)
    said = strangler("advance", "pricing")
    assert said.code == 3
    assert said.err == text(
        """
        pricing stays on shadow: too little is known yet for canary 5 %
          inconclusive  compared   0 of 20 comparisons: no traffic yet
          passed        reachable  1 of 1 replicas are ready: all speak this contract
        Wait, and ask again.
          without the evidence  --force --reason "…"
        """
    )


def test_a_gate_that_force_does_not_open(strangler: Terminal) -> None:
    said = strangler("advance", "catalog", "--force", "--reason", "now")
    assert said.code == 1
    assert said.err == text(
        """
        catalog stays on monolith: the gate to replicating is shut
          failed  transferable  capability.catalog.transfer is missing: it says how its
                                rows map
        Mend what failed, and ask again.
          without the evidence  not even with --force
        """
    )


def test_moves_and_their_history(strangler: Terminal, kit: Plane) -> None:
    assert strangler("advance", "pricing").out == text(
        """
        pricing: monolith → shadow, advance, revision 1
        """
    )
    assert strangler("advance", "pricing", "--force", "--reason", "in a hurry").out == text(
        """
        pricing: shadow → canary 5 %, advance, revision 2
        forced, without what these gates want:
          inconclusive  compared  0 of 20 comparisons: no traffic yet
        """
    )
    assert strangler("hold", "pricing", "--reason", "lunch").code == 0
    assert strangler("hold", "pricing").out == text(
        """
        pricing: canary 5 % (held) already; nothing to hold
        """
    )
    assert strangler("renew", "pricing", "--reason", "repaired").code == 0
    assert strangler("rollback", "pricing", "--to", "monolith").code == 0
    assert strangler("history").out == text(
        """
        rev  at (UTC)        capability  change                                 by
          5  MM-DD HH:MM:SS  pricing     rollback: canary 5 % (held) →          ann@shop
                                         monolith (held)
          4  MM-DD HH:MM:SS  pricing     renew                                  ann@shop
                                         repaired
          3  MM-DD HH:MM:SS  pricing     hold: canary 5 % → canary 5 % (held)   ann@shop
                                         lunch
          2  MM-DD HH:MM:SS  pricing     advance: shadow → canary 5 % (forced)  ann@shop
                                         in a hurry
          1  MM-DD HH:MM:SS  pricing     advance: monolith → shadow             ann@shop
        """
    )
    assert strangler("history", "catalog").out == "nothing has changed yet\n"


@pytest.mark.parametrize(
    ("columns", "heading"),
    [
        (60, "capability  stage       arm       requests  errors    p95"),
        (40, "capability  stage       arm       errors"),
        (30, "capability  stage"),
    ],
)
def test_status_where_there_is_little_room(
    strangler: Terminal, kit: Plane, monkeypatch: pytest.MonkeyPatch, columns: int, heading: str
) -> None:
    stands(Stage.SHADOW)
    stands(Stage.CANARY)
    kit.answered("monolith", 1204)
    kit.answered("service", 12, failures=1)
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = strangler("status").out.splitlines()
    assert heading in lines
    assert max(map(len, lines[1:])) <= columns
    assert any(line.startswith("pricing     canary 5 %") for line in lines)


def test_what_is_killed_waits_to_be_resumed(strangler: Terminal) -> None:
    stands(Stage.SHADOW)
    assert strangler("kill", "pricing").out == "pricing: killed on shadow, revision 2\n"
    lines = strangler("status").out.splitlines()
    assert "pricing, killed        strangler resume pricing" in lines
    assert strangler("resume", "pricing").out == "pricing: resumed on shadow, revision 3\n"
    assert strangler("hold", "pricing").out == "pricing: held on shadow, revision 4\n"
    said = strangler("renew", "pricing", "--reason", "x").out
    assert said == "pricing: evidence begun anew on shadow, revision 5\n"


def test_what_is_killed_on_this_machine_alone(strangler: Terminal) -> None:
    stands(Stage.SHADOW)
    assert strangler("kill", "pricing", "--local").code == 0
    said = strangler("status")
    (line,) = [line for line in said.out.splitlines() if "killed here" in line]
    assert line.strip() == "killed here"
    pricing = strangler("status", "--json").json["capabilities"][1]
    assert (pricing["killed"], pricing["killed_here"]) == (False, True)


def test_an_advance_that_is_none(strangler: Terminal) -> None:
    stands(Stage.SHADOW)
    said = strangler("advance", "pricing", "--to", "shadow").err
    assert said == "it is there already: on shadow\n"
    said = strangler("advance", "pricing", "--to", "monolith").err
    assert said == "monolith is below shadow: the way down is a rollback\n"


def test_keys_of_nobody(strangler: Terminal, kit: Plane) -> None:
    said = strangler("keys", "monolith", "pricin")
    assert said.code == 2
    assert "nobody here is called 'pricin': do you mean pricing?" in said.err
    assert not (kit.root / "keys").exists(), "all of it, or nothing"
    said = strangler("keys", "sky")
    assert "nobody here is called 'sky': there are monolith, catalog, pricing" in said.err


def test_the_shadow_report(strangler: Terminal, kit: Plane) -> None:
    stands(Stage.SHADOW)
    assert strangler("diffs", "pricing").out == text(
        """
        pricing: the shadow has compared nothing on this rung
        """
    )
    kit.compared(3000)
    kit.compared(3, outcome="difference")
    signature = kit.differs()
    assert strangler("diffs", "pricing").out == text(
        f"""
        pricing: 3,003 compared (3,000 match, 3 difference)

        {signature[:12]}  POST /api/pricing/quote: $.tax (value), 3 times
          POST /api/pricing/quote
            asked     {{"country":"DE"}}
            monolith  "3.80"
            service   "3.20"
        """
    )
    assert strangler("diffs", "pricing", "--explain", signature[:4]).code == 2
    said = strangler("diffs", "pricing", "--explain", signature[:4], "--reason", "as it should be")
    assert said.out.startswith("pricing: difference explained on shadow, revision 2\n")
    assert "  explained: as it should be\n" in said.out


def test_how_rehearsals_ended(strangler: Terminal, kit: Plane) -> None:
    stands(Stage.SHADOW)
    kit.compared(9, outcome="agreed")
    kit.compared(2, outcome="raced")
    said = strangler("diffs", "pricing").out
    assert "pricing: 0 compared" in said
    assert re.search(r"POST /api/pricing/quote +9 agreed, 2 raced", said)
    shape = strangler("diffs", "pricing", "--json").json
    assert shape["rehearsals"] == [
        {
            "method": "POST",
            "route": "/api/pricing/quote",
            "outcomes": {"agreed": 9, "raced": 2},
        }
    ]
    assert (shape["compared"], shape["routes"]) == (0, [])


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("9 bytes of text/css", "9 bytes of text/css"),
        ({"city": "Zürich"}, '{"city": "Zürich"}'),
        ({"a": "b" * 2000}, '{"a": "' + "b" * (found.EXCERPT - 7) + "…"),
    ],
)
def test_what_was_asked_is_told_but_not_at_length(
    strangler: Terminal, kit: Plane, body: object, shown: str
) -> None:
    stands(Stage.SHADOW)
    kit.compared(1, outcome="difference")
    kit.differs()
    for one in ShadowDifference.objects.all():
        one.examples = [{**one.examples[0], "body": body}]
        one.save()
    said = strangler("diffs", "pricing").out
    assert re.sub(r"\s", "", shown) in re.sub(r"\s", "", said).partition("asked")[2]


def test_where_a_request_would_go(strangler: Terminal, kit: Plane) -> None:
    stands(Stage.SHADOW)
    stands(Stage.CANARY, 50)
    inside = next(cohort for cohort in range(1000) if (kit.root / _SET / str(cohort)).exists())
    said = strangler("explain", "POST", "/api/pricing/quote", "--cookie", str(inside))
    assert said.out == text(
        f"""
        POST /api/pricing/quote → service
        because     the service has 50 % of the queries, and cohort {inside} is inside
        capability  pricing, by the route /api/pricing/
        kind        query
        cohort      {inside}, from cookie
        stage       canary 50 %
        """
    )
    stands(Stage.LIVE)
    because = strangler("explain", "POST", "/api/pricing/quote").out.splitlines()[1]
    assert because == "because     the service has all of the queries"
    because = strangler("explain", "GET", "/api/catalog/products/").out.splitlines()[1]
    assert because == "because     the service has none of the queries"
    assert strangler("explain", "GET", "/about").out == text(
        """
        GET /about → monolith
        because  no capability has this path: the monolith answers, as ever
        """
    )
    assert strangler("explain", "GET", "/api/pricing/%2e%2e/x").out == text(
        """
        GET /api/pricing/%2e%2e/x → refused
        because  refused with 400: it has a dot segment
        """
    )


_SET = "table/current/pricing.queries"


def test_somebody_else_was_faster(strangler: Terminal) -> None:
    stands(Stage.SHADOW)
    said = strangler("rollback", "pricing", "--if-revision", "0")
    assert said.code == 1
    assert " ".join(said.err.split()).startswith(
        "somebody else was faster: you have seen revision 0, and it is 1 now (advance pricing by "
    )


def test_help_names_what_is_to_be_typed(strangler: Terminal) -> None:
    said = _flat(strangler("advance", "--help").out)
    assert "CAPABILITY" in said.partition("Move")[0]
    assert f"The rung to go to: {', '.join(Stage)}." in said


def test_colours_are_for_terminals(
    strangler: Terminal, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from strangler.cli import run

    monkeypatch.setenv("FORCE_COLOR", "1")  # Rich's own word for "this is a terminal"
    run(["status"])
    assert "\x1b[" in capsys.readouterr().out
    monkeypatch.setenv("NO_COLOR", "1")
    run(["status"])
    assert "\x1b[3" not in capsys.readouterr().out


def test_check_lists_what_is_in_the_way(
    strangler: Terminal, kit: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    from strangler.django import contracts

    monkeypatch.setattr(contracts, "check", lambda _against=None: [])
    said = strangler("keys", "monolith", "pricing")
    assert _flat(said.out) == "made the keys of monolith, pricing in ROOT/keys"
    said = strangler("keys", "catalog", "pricing", "--folder", str(kit.root / "other"))
    assert _flat(said.out) == "made the keys of catalog, pricing in ROOT/other"
    said = strangler("keys", "pricing", "monolith", "--folder", str(kit.root / "other"))
    assert said.out.splitlines() == [
        "made the keys of monolith in ROOT/other",
        "the keys of pricing were there already, in ROOT/other",
    ]
    assert strangler("check", "pricing").out == "all is well\n"
    said = strangler("check", "catalog")
    assert said.code == 1
    assert "there is no public key of the party 'catalog' in" in _flat(said.out)
    assert "capability.catalog.transfer is missing: it says how its" in said.out
    with service(status=503) as (url, _):
        kit.service = url
        kit.write()
        stands(Stage.SHADOW)
        said = strangler("check")
    assert said.code == 1
    assert "error    service" in said.out
    assert "pricing: 0 of 1 replicas are ready: " in _flat(said.out)
    assert _flat(said.out).count("catalog") == 1, "what can't climb yet makes one line"
    assert "warning tables catalog: no move yet, since nothing says how" in _flat(said.out)


def test_what_has_not_begun_to_climb_is_warned_of(
    strangler: Terminal, kit: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    from strangler.django import contracts

    monkeypatch.setattr(contracts, "check", lambda _against=None: [])
    strangler("keys", "monolith")
    with service(status=503) as (url, _):
        kit.service = url
        kit.write()
        said = strangler("check")
    assert said.code == 0
    assert "warning service pricing: 0 of 1 replicas are ready" in _flat(said.out)
    assert "warning keys pricing: there is no public key" in _flat(said.out)


def test_check_sees_what_is_wrong_with_the_database_and_the_table(
    strangler: Terminal, kit: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import connection

    from strangler.django import contracts
    from strangler.django.control_plane import history

    monkeypatch.setattr(contracts, "check", lambda _against=None: ["catalog: gone"])
    stands(Stage.SHADOW)
    CapabilityState.objects.create(
        name="gone", stage="live", since=timezone.now(), since_revision=1, revision=1
    )
    history.remove(connection)
    (kit.root / "table" / "current").unlink()
    said = strangler("check")
    assert said.code == 1
    flat = _flat(said.out)
    for finding in (
        "contracts catalog: gone",
        "the triggers that keep the history append-only are gone",
        "gone stands on live, and the manifest has no such capability",
        "the routing table can't be asked",
    ):
        assert finding in flat


def _flat(said: str) -> str:
    return " ".join(said.split())
