"""The parts of the documentation that are made from the code.

They stand between ``<!-- generated: NAME -->`` and ``<!-- end -->``. A test compares them with the
code; ``python -m tests.docs.generated`` writes them anew.
"""

from __future__ import annotations

import ast
import inspect
import io
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stdout
from enum import StrEnum
from itertools import pairwise
from typing import Any

import typer.main

from strangler import gates, ladder
from strangler.cli import shapes
from strangler.cli.app import app, run
from strangler.ladder import COHORTS, Arm, Direction, Gate, Stage, Standing, Transition
from strangler.ports import errors, headers
from strangler.saga import errors as sagas
from strangler.saga import machine
from strangler.transfer import protocol
from tests.docs.reading import DOCUMENTS, label

_PART = re.compile(r"(<!-- generated: (\S+) -->\n).*?(\n<!-- end -->)", re.DOTALL)

WHO = {
    Stage.MONOLITH: "the monolith answers everything",
    Stage.REPLICATING: "… and its rows flow to the service",
    Stage.SHADOW: "… and the service's answers are compared",
    Stage.CANARY: "the service answers p % of the clients",
    Stage.LIVE: "the service answers everything",
    Stage.RETIRED: "… for good: no way back",
}


def picture() -> str:
    """The ladder as text: rungs, gates, and how far down one command leads."""
    lines = []
    for stage in reversed(Stage):
        back = _rope(stage)
        lines.append(f"  {stage:<14}{WHO[stage]:<50}{back}".rstrip())
        for index, text in enumerate(_gates(stage)):
            mark = "▲  gate:" if index == 0 else "     or:"
            lines.append(f"      {mark} {text:<51}{_line(stage)}".rstrip())
    return "```text\n" + "\n".join(lines) + "\n```"


def _gates(target: Stage) -> Iterable[str]:
    arrows = [
        arrow
        for arrow in ladder.TRANSITIONS
        if arrow.target is target and arrow.direction is Direction.UP and arrow.source is not target
    ]
    for arrow in arrows:
        wanted = " and ".join(arrow.gates)
        far = target.height - arrow.source.height > 1
        yield f"{wanted}, from {arrow.source} without tables" if far else wanted


def _descends(stage: Stage) -> bool:
    return any(
        arrow.source is stage and arrow.direction is Direction.DOWN and arrow.target is not stage
        for arrow in ladder.TRANSITIONS
    )


def _top() -> Stage:
    return max(filter(_descends, Stage), key=lambda stage: stage.height)


def _rope(stage: Stage) -> str:
    if stage is _top():
        return "│ rollback:"
    if stage is Stage.MONOLITH:
        return "▼"
    if stage.height == _top().height - 1:
        return "│ one command,"
    if stage.height == _top().height - 2:
        return "│ no gate"
    return "│" if stage.height < _top().height else ""


def _line(stage: Stage) -> str:
    return "│" if stage.height <= _top().height and stage is not Stage.MONOLITH else ""


def diagram() -> str:
    """The ladder as Mermaid: every arrow of the table, but those that skip a rung downwards."""
    lines = ["```mermaid", "stateDiagram-v2", "    direction LR", "    [*] --> monolith"]
    for arrow in ladder.TRANSITIONS:
        if arrow.direction is Direction.UP:
            tables = {True: " (tables)", False: " (no tables)", None: ""}[arrow.tables]
            lines.append(f"    {arrow.source} --> {arrow.target}: {', '.join(arrow.gates)}{tables}")
    for source, target in ladder.HOME.items():
        lines.append(f"    {source} --> {target}: rollback")
    return "\n".join([*lines, "    retired --> [*]", "```"])


def transitions() -> str:
    """Every arrow of the table."""
    return _table(
        ("from", "to", "direction", "gates", "open to"),
        [
            (
                f"`{arrow.source}`",
                f"`{arrow.target}`",
                str(arrow.direction),
                _codes(arrow.gates),
                _open(arrow),
            )
            for arrow in ladder.TRANSITIONS
        ],
    )


def _open(arrow: Transition) -> str:
    return {True: "capabilities with tables", False: "capabilities without", None: "all"}[
        arrow.tables
    ]


def shares() -> str:
    """Who answers what, on every rung, with and without tables, and killed."""
    rows = []
    for stage in Stage:
        percent = 25 if stage is Stage.CANARY else 0
        standing = Standing(stage, percent)
        killed = Standing(stage, percent, killed=stage is not Stage.RETIRED)
        rows.append(
            (
                f"`{standing.stage}`" + (f" {percent} %" if percent else ""),
                str(standing.owner),
                _share(standing, tables=False) if stage is not Stage.REPLICATING else "–",
                _share(standing, tables=True),
                _share(killed, tables=False)
                if stage not in {Stage.RETIRED, Stage.REPLICATING}
                else "–",
                _share(killed, tables=True) if stage is not Stage.RETIRED else "–",
            )
        )
    return _table(
        ("rung", "owner", "without tables", "with tables", "killed, without", "killed, with"), rows
    )


def _share(standing: Standing, *, tables: bool) -> str:
    share = ladder.share(standing, tables=tables)
    return f"{_arm(share.queries)} / {_arm(share.commands)}"


def _arm(share: int) -> str:
    names = {0: str(Arm.MONOLITH), COHORTS: str(Arm.SERVICE)}
    return names.get(share, f"{share * 100 // COHORTS} % {Arm.SERVICE}")


def gate_list() -> str:
    """What each gate wants."""
    said = _documented(Gate)
    rows = [
        (f"`{gate}`", said[gate.name], "no" if gate in gates.UNFORCEABLE else "yes")
        for gate in Gate
    ]
    return _table(("gate", "what must be proved", "can be forced"), rows)


def switch_diagram() -> str:
    """The switch as Mermaid: forward to the decision and past it, and the ways back before it."""
    arrows = [f"    {step.source} --> {step.target}: {step.action}" for step in protocol.STEPS]
    back = [
        f"    {phase} --> flowing: undo by {', '.join(actions)}"
        for phase, actions in protocol.UNDO.items()
        if actions
    ]
    first = ["```mermaid", "stateDiagram-v2", "    [*] --> flowing"]
    return "\n".join([*first, *arrows, *back, "```"])


def switch_steps() -> str:
    """Every step: where it takes effect, and what becomes of a switch that ends there."""
    said = _documented(protocol.Phase)
    rows = [
        (
            str(step.action),
            str(step.place),
            "yes" if step.lasts else "no",
            f"*{step.target}*: {said[step.target.name]}",
            _ended(step.target),
        )
        for step in protocol.STEPS
    ]
    return _table(("step", "at", "outlives the mover", "then it is", "if it ends here"), rows)


def _ended(phase: protocol.Phase) -> str:
    if phase in protocol.UNDO:
        return f"back: {', '.join(protocol.UNDO[phase])}" if protocol.UNDO[phase] else "–"
    rest = protocol.STEPS[protocol.STEPS.index(protocol.step_from(phase)) :]
    return f"forward: {', '.join(step.action for step in rest)}"


def saga_diagram() -> str:
    """A saga as Mermaid: every arrow of the table that leads from one state to another."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for row in machine.TRANSITIONS:
        if row.source is not row.target:
            events = arrows.setdefault((row.source, row.target), [])
            if row.event not in events:
                events.append(row.event)
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> running"]
    lines += [f"    {one} --> {two}: {', '.join(said)}" for (one, two), said in arrows.items()]
    ends = [f"    {state} --> [*]" for state in machine.State if state.ended]
    return "\n".join([*lines, *ends, "```"])


def saga_table() -> str:
    """Every row of a saga's table."""
    rows = [
        (f"`{row.source}`", str(row.event), _condition(row), f"`{row.target}`", str(row.move))
        for row in machine.TRANSITIONS
    ]
    return _table(("from", "what happens", "where", "to", "the step"), rows)


_CONDITIONS = {
    "local": ("the step is local", "the step is not local"),
    "back": ("it has turned", "it has not turned"),
    "last": ("no step is left that way", "a step is left that way"),
    "final": ("it may be done, and can't be undone", "it is not done, or can be undone"),
    "spent": ("it was the last try", "more tries are left"),
}


def _condition(row: machine.Transition) -> str:
    said = [" or ".join(row.kinds)] if row.kinds else []
    for name, (yes, no) in _CONDITIONS.items():
        value = getattr(row, name)
        if value is not None:
            said.append(yes if value else no)
    return ", ".join(said) or "–"


def saga_tree() -> str:
    """The tree of what an engine of sagas refuses with."""
    return _drawn(sagas.__doc__ or "", "SagaError")


def header_list() -> str:
    """The closed list of headers."""
    said = _attributes(headers)
    names = {getattr(headers, name): text for name, text in said.items() if name.isupper()}
    return _table(
        ("header", "what it says"), [(f"`{one}`", names[one]) for one in headers.INTERNAL]
    )


def error_tree() -> str:
    """The tree of port errors, as its module draws it."""
    return _drawn(errors.__doc__ or "", "PortError")


def control_tree() -> str:
    """The tree of what the control plane refuses with."""
    from strangler.django.control_plane import errors as control

    return _drawn(control.__doc__ or "", "ControlError")


def _drawn(text: str, first: str) -> str:
    drawn, _, _ = text[text.index(f"    {first}\n") :].partition("\n\n")
    return f"```text\n{textwrap.dedent(drawn)}\n```"


def json_keys() -> str:
    """What ``--json`` prints."""
    rows: list[tuple[str, str]] = []
    for line in (shapes.__doc__ or "").split("======== ", 2)[1].splitlines()[1:]:
        name, said = line[:8].strip(), line[8:].strip().replace("``", "`")
        if name:
            rows.append((name, said))
        else:
            rows[-1] = (rows[-1][0], f"{rows[-1][1]} {said}")
    return _table(("of", "keys"), rows)


def commands() -> str:
    """Every command's own help."""
    return "\n\n".join(_help(words) for words in _commands(typer.main.get_command(app)))


def _commands(group: Any, *words: str) -> Iterable[tuple[str, ...]]:
    yield words
    for name, command in getattr(group, "commands", {}).items():
        yield from _commands(command, *words, name)


def _help(words: tuple[str, ...]) -> str:
    printed = io.StringIO()
    with redirect_stdout(printed):
        run([*words, "--help"])
    text = "\n".join(line.rstrip() for line in printed.getvalue().strip().splitlines())
    return f"### {' '.join(('strangler', *words))}\n\n```text\n{text}\n```"


def _documented(enum: type[StrEnum]) -> dict[str, str]:
    body = ast.parse(textwrap.dedent(inspect.getsource(enum))).body[0]
    assert isinstance(body, ast.ClassDef)
    return _strings(body.body)


def _attributes(module: object) -> dict[str, str]:
    return _strings(ast.parse(inspect.getsource(module)).body)  # type: ignore[arg-type]  # a module


def _strings(body: list[ast.stmt]) -> dict[str, str]:
    """The strings that stand below names, by name."""
    said = {}
    for name, text in pairwise(body):
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            target: ast.expr | None = name.target if isinstance(name, ast.AnnAssign) else None
            if isinstance(name, ast.Assign):
                target = name.targets[0]
            if isinstance(target, ast.Name):
                said[target.id] = " ".join(str(text.value.value).replace("``", "`").split())
    return said


def _codes(values: Iterable[str]) -> str:
    return ", ".join(f"`{value}`" for value in values) or "–"


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


PARTS: dict[str, Callable[[], str]] = {
    "picture": picture,
    "diagram": diagram,
    "transitions": transitions,
    "shares": shares,
    "gates": gate_list,
    "switch": switch_diagram,
    "switch-steps": switch_steps,
    "saga": saga_diagram,
    "saga-table": saga_table,
    "saga-errors": saga_tree,
    "headers": header_list,
    "errors": error_tree,
    "control-errors": control_tree,
    "json": json_keys,
    "commands": commands,
}


def renewed(text: str) -> str:
    """The text of a document with its generated parts as they should be."""
    return _PART.sub(lambda part: f"{part[1]}{PARTS[part[2]]()}{part[3]}", text)


def names(text: str) -> list[str]:
    """The names of a document's generated parts."""
    return [part[2] for part in _PART.finditer(text)]


def main() -> None:
    """Write every generated part anew."""
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        if renewed(text) != text:
            path.write_text(renewed(text), encoding="utf-8")
            sys.stdout.write(f"{label(path)} is written anew\n")


if __name__ == "__main__":
    main()
