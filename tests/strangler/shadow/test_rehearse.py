"""What a rehearsal would have written, held against what was delivered."""

from __future__ import annotations

import json
from typing import Any

import pytest

from strangler.manifest import Shadow
from strangler.ports.rehearsal import Rehearsed, Run, Shape, Told, Written
from strangler.shadow.compare import Rules
from strangler.shadow.judge import Outcome, Verdict
from strangler.shadow.noise import Noise
from strangler.shadow.rehearse import Executed, judge, merged

MAPPED = {
    "product": {"sku", "title", "changed_at"},
    "move": {"id", "stock_id", "delta"},
    "stock": {"id", "held"},
}
SHAPES = {
    "product": Shape(["sku"]),
    "move": Shape(["id"], numbered=True, references={"stock_id": "stock"}),
    "stock": Shape(["id"], numbered=True),
}


def row(
    table: str, key: object, before: dict[str, Any] | None, after: dict[str, Any] | None
) -> Written:
    name = "sku" if table == "product" else "id"
    return Written(
        table,
        [key],
        None if before is None else {name: key, **before},
        None if after is None else {name: key, **after},
    )


def retitled(title: str = "New", **other: object) -> Written:
    return row("product", "A", {"title": "Old"}, {"title": title, **other})


def judged(
    runs: list[list[Written]],
    delivered: list[Written],
    *,
    status: tuple[int, str] = (200, ""),
    told: tuple[object, object, object] | None = None,
    run: dict[str, Any] | None = None,
    noise: Noise | None = None,
    rules: Shadow | None = None,
    **executed: Any,
) -> Verdict:
    """A rehearsal that began after batch 5 and ended before the command was delivered, as 7.

    ``told`` is what the client got, and what the service says both times.
    """
    said = {"status": 200, "began": 5, "ended": 5, **(run or {})}
    known: dict[str, Any] = {"before": 6, "others": 5, **executed}
    client, *service = [said_in(one) for one in told or (None, None, None)]
    return judge(
        Rehearsed(
            [
                Run(written=one, told=answer, **said)
                for one, answer in zip(runs, service, strict=True)
            ],
            SHAPES,
        ),
        Executed(status=status[0], said=status[1], told=client, written=delivered, **known),
        route="PUT /p/",
        mapped=MAPPED,
        rules=Rules.of(rules or Shadow()),
        noise=noise or Noise(),
    )


def said_in(body: object) -> Told | None:
    """JSON, or plain text."""
    if body is None:
        return None
    if isinstance(body, str):
        return Told("text/plain", body.encode())
    return Told("application/json", json.dumps(body).encode())


def differing(verdict: Verdict) -> list[tuple[str, str, object, object]]:
    assert verdict.outcome is Outcome.DISAGREED
    return [(one.path, str(one.kind), one.monolith, one.service) for one in verdict.differences]


def twice(*written: Written) -> list[list[Written]]:
    return [list(written), list(written)]


def test_the_same_rows_agree():
    verdict = judged(twice(retitled()), [retitled()])
    assert (verdict.outcome, verdict.monolith, verdict.service) == (Outcome.AGREED, 200, 200)


def test_another_value_is_named_by_table_and_column():
    (found,) = differing(judged(twice(retitled("Other")), [retitled()]))
    assert found == ("$.product.title", "column", "New", "Other")


def test_a_row_that_is_forgotten_and_one_too_many():
    forgotten = differing(judged(twice(), [retitled()]))
    assert [(path, kind) for path, kind, _, _ in forgotten] == [("$.product", "row")]
    extra = row("product", "B", {"title": "b"}, {"title": "c"})
    found = differing(judged(twice(retitled(), extra), [retitled()]))
    assert found[0][:2] == ("$.product", "row")
    assert found[0][3] == {"sku": "B", "title": "c"}


def test_who_deletes_and_who_changes():
    gone = row("product", "A", {"title": "Old"}, None)
    (found,) = differing(judged(twice(retitled()), [gone]))
    assert found[:2] == ("$.product", "row")
    assert judged(twice(gone), [gone]).outcome is Outcome.AGREED


@pytest.mark.parametrize(
    ("status", "run", "said"),
    [
        ((200, ""), {"status": 409}, ("200", "409")),
        (
            (422, "OutOfStock"),
            {"status": 422, "said": "Unknown"},
            ("422 OutOfStock", "422 Unknown"),
        ),
    ],
)
def test_another_answer(status: tuple[int, str], run: dict[str, Any], said: tuple[str, str]):
    (found,) = differing(judged(twice(), [retitled()], status=status, run=run))
    assert found == ("status", "answer", *said)


ANOTHER_BODY = [
    ({"title": "New"}, {"title": "Old"}, ("$.title", "answer", "New", "Old")),
    ({"title": "New"}, {"title": None}, ("$.title", "answer", "New", None)),
    ({"lines": [{"n": 1}]}, {"lines": [{"n": 2}]}, ("$.lines[*].n", "answer", 1, 2)),
    ({"ok": True}, "yes", ("content-type", "answer", "application/json", "text/plain")),
    ("done", "ready", ("$", "answer", "4 bytes", "5 bytes")),
]


@pytest.mark.parametrize(("client", "service", "wanted"), ANOTHER_BODY)
def test_another_body(client: object, service: object, wanted: tuple[object, ...]):
    told = (client, service, service)
    (found,) = differing(judged(twice(retitled()), [retitled()], told=told))
    assert found == wanted
    race = judged(twice(retitled()), [retitled()], told=told, meanwhile=True)
    assert race.outcome is Outcome.RACED
    (found,) = differing(judged(twice(), [], told=told, before=None))  # nothing was written
    assert found == wanted


def test_bodies_are_compared_by_the_manifest_s_rules():
    told = ({"at": 1, "n": [1, 2]}, {"at": 2, "n": [2, 1]}, {"at": 2, "n": [2, 1]})
    assert len(differing(judged(twice(retitled()), [retitled()], told=told))) == 3
    rules = Shadow(ignore=("$.at",), unordered=("$.n",))
    verdict = judged(twice(retitled()), [retitled()], told=told, rules=rules)
    assert verdict.outcome is Outcome.AGREED


def test_what_can_not_be_compared_is_no_other_body():
    told = ({"n": 1}, None, None)
    assert judged(twice(retitled()), [retitled()], told=told).outcome is Outcome.AGREED


def test_what_a_body_says_otherwise_each_time_means_nothing():
    told = ({"id": "a", "n": 1}, {"id": "b", "n": 1}, {"id": "c", "n": 1})
    assert judged(twice(retitled()), [retitled()], told=told).outcome is Outcome.AGREED
    told = ({"id": "a", "n": 1}, {"id": "b", "n": 2}, {"id": "c", "n": 2})
    (found,) = differing(judged(twice(retitled()), [retitled()], told=told))
    assert found[0] == "$.n"


def test_keys_that_a_body_tells_are_matched_like_those_of_rows():
    def moved(number: int, *deltas: int) -> list[Written]:
        return [
            row("move", number + place, None, {"stock_id": 1, "delta": delta})
            for place, delta in enumerate(deltas)
        ]

    def body(number: int, delta: int = 5) -> dict[str, Any]:
        return {"id": number, "url": f"/moves/{number}/", "delta": delta}

    told = (body(21), body(900), body(900))
    assert judged(twice(*moved(900, 5)), moved(21, 5), told=told).outcome is Outcome.AGREED
    told = (body(21), body(901), body(901))
    found = differing(judged(twice(*moved(900, 5)), moved(21, 5), told=told))
    assert [path for path, *_ in found] == ["$.id", "$.url"]
    told = (body(21, 5), body(900, 6), body(900, 6))
    found = differing(judged(twice(*moved(900, 5)), moved(21, 5), told=told))
    assert found == [("$.delta", "answer", 5, 6)]


def test_the_time_means_nothing_in_a_body_however_it_is_written():
    def said(client: object, service: str) -> Verdict:
        told = ({"at": client}, {"at": service}, {"at": service})
        run = {"moment": "2026-11-21T10:00:00.123456+00:00"}
        return judged(twice(retitled()), [retitled()], told=told, run=run)

    client, now = "2026-11-21T09:59:59.5Z", "2026-11-21T10:00:00.123Z"
    assert said(client, now).outcome is Outcome.AGREED
    assert said(client, "2026-11-21T11:00:00+01:00").outcome is Outcome.AGREED
    assert said(client, "2026-11-20T10:00:00.123Z").outcome is Outcome.DISAGREED
    assert said("never", now).outcome is Outcome.DISAGREED


def test_what_no_map_names_is_not_compared():
    mine = row("product", "A", {"seen": 1}, {"seen": 2})
    log = Written("log", ["x"], None, {"id": "x"})
    assert judged(twice(retitled(), mine, log), [retitled()]).outcome is Outcome.AGREED
    assert judged(twice(mine, log), [], before=None).outcome is Outcome.IDLE


def test_what_differs_from_itself_means_nothing():
    runs = [[retitled(changed_at="1")], [retitled(changed_at="2")]]
    assert judged(runs, [retitled(changed_at="0")]).outcome is Outcome.AGREED
    runs = [[retitled("Other", changed_at="1")], [retitled("Other", changed_at="2")]]
    (found,) = differing(judged(runs, [retitled(changed_at="0")]))
    assert found[0] == "$.product.title"


def test_what_the_database_calls_now_means_nothing():
    runs, delivered = twice(retitled(changed_at="now")), [retitled(changed_at="then")]
    assert judged(runs, delivered, run={"moment": "now"}).outcome is Outcome.AGREED
    assert judged(runs, delivered, run={"moment": "never"}).outcome is Outcome.DISAGREED


def test_what_the_manifest_ignores():
    rules = Shadow(ignore=("$.product.title",))
    assert judged(twice(retitled("Other")), [retitled()], rules=rules).outcome is Outcome.AGREED


def test_noise_is_remembered_where_the_runs_can_not_be_compared():
    noise = Noise()
    runs = [[retitled(changed_at="1")], [retitled(changed_at="2")]]
    for _ in range(3):
        judged(runs, [retitled(changed_at="0")], noise=noise)
    said = Rehearsed([Run(200, written=runs[0], began=5, ended=5)], SHAPES)
    verdict = judge(
        said,
        Executed(status=200, written=[retitled(changed_at="0")], before=6, others=5),
        route="PUT /p/", mapped=MAPPED, rules=Rules.of(Shadow()), noise=noise,
    )  # fmt: skip
    assert verdict.outcome is Outcome.AGREED


def test_rows_with_keys_of_the_database_s_making_are_matched_by_table_and_order():
    def moved(stock: int, first: int, *deltas: int) -> list[Written]:
        moves = [
            row("move", first + place, None, {"stock_id": stock, "delta": delta})
            for place, delta in enumerate(deltas)
        ]
        return [row("stock", stock, None, {"held": 3}), *moves]

    delivered = moved(11, 21, 1, 2)
    assert judged(twice(*moved(900, 901, 1, 2)), delivered).outcome is Outcome.AGREED
    (found,) = differing(judged(twice(*moved(900, 901, 1, 3)), delivered))
    assert found == ("$.move.delta", "column", 2, 3)
    assert differing(judged(twice(*moved(900, 901, 1)), delivered))[0][:2] == ("$.move", "row")
    other = row("move", 901, None, {"stock_id": 12, "delta": 1})
    move = row("move", 21, None, {"stock_id": 11, "delta": 1})
    assert differing(judged(twice(other), [move]))[0] == ("$.move.stock_id", "column", 11, 12)


RACES = [
    {"before": 4},  # it was delivered before the rehearsal had ended
    {"others": 6},  # somebody else's rows came after it had begun
    {"meanwhile": True},
    {"run": {"ended": 6}},  # a batch came in between
]


@pytest.mark.parametrize("race", RACES)
def test_a_race_counts_neither_way(race: dict[str, Any]):
    verdict = judged(twice(retitled("Other")), [retitled()], **race)
    assert (verdict.outcome, verdict.differences) == (Outcome.RACED, ())
    assert judged(twice(retitled()), [retitled()], **race).outcome is Outcome.AGREED


def test_where_nothing_was_delivered_only_the_journal_can_say():
    assert judged(twice(retitled()), [], before=None).outcome is Outcome.DISAGREED
    verdict = judged(twice(retitled()), [], before=None, meanwhile=True)
    assert verdict.outcome is Outcome.RACED


def test_what_can_not_be_rehearsed_is_no_difference():
    verdict = judged(twice(), [retitled()], run={"status": 503, "impossible": "it commands others"})
    assert (verdict.outcome, verdict.differences) == (Outcome.UNREHEARSED, ())


def test_what_comes_in_parts_is_one():
    first = row("product", "A", {"title": "a"}, {"title": "b"})
    second = row("product", "A", {"title": "b"}, {"title": "c"})
    back = row("product", "A", {"title": "c"}, {"title": "a"})
    (one,) = merged([first, second])
    assert (one.before, one.after) == (first.before, second.after)
    assert merged([first, second, back]) == []
