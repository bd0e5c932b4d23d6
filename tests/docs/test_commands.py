"""Every command of the documentation does what the documentation says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.docs import warm
from tests.docs.reading import DOCUMENTS, ROOT, before, blocks, commands, label
from tests.docs.terminals import loosely, reader, tree

ELSEWHERE = {
    "make demo": "tests/e2e",
    "make test": ".ci/run",
    "make dev": "docs/tutorial/first-extraction.md",
}
"""Commands that set up a machine, and who runs them instead of this test."""
EMPTY = {"docs/how-to/add-the-kit.md", "docs/how-to/cut-a-foreign-key.md"}
"""Documents that begin in an empty folder, not in this repository."""
TOLD = [
    path
    for path in DOCUMENTS
    if any(block.language == "console" or block.file for block in blocks(path))
]


@pytest.fixture(scope="module")
def programs() -> Iterator[Path]:
    """The programs that a reader uses, which know their libraries already."""
    # Not one of pytest's folders: the name of a socket must not be long.
    with TemporaryDirectory(prefix="docs") as folder, warm.programs(Path(folder)) as warmed:
        yield warmed


@pytest.mark.journey
@pytest.mark.long
@pytest.mark.parametrize("path", TOLD, ids=label)
def test_a_reader_gets_what_the_document_says(path: Path, tmp_path: Path, programs: Path):
    folder = tmp_path / "shop"
    folder.mkdir()
    if label(path) not in EMPTY:
        tree(folder)
    with reader(folder, programs) as one:
        if done := before(path):
            one.prepare(done)
        for block in blocks(path):
            if block.language == "console":
                if block.terminal or not _elsewhere(block.text):
                    one.type(block)
            elif block.file:
                one.write(block)


def _elsewhere(text: str) -> bool:
    lines = [line for line in text.splitlines() if line]
    return all(line.removeprefix("$ ").partition(" #")[0].strip() in ELSEWHERE for line in lines)


def test_the_commands_that_are_run_elsewhere_are():
    makefile = (ROOT / "Makefile").read_text()
    assert "$(BIN)/python -m demo\n" in makefile
    assert "exec make test" in (ROOT / ".ci" / "run").read_text()
    tests = (ROOT / ELSEWHERE["make demo"]).rglob("*.py")
    assert any(
        re.search(r'"-m",\s*"demo"|python -m demo|make demo', one.read_text()) for one in tests
    )
    # `make dev` is what stands for it in a tested document, after its set-up.
    recipe = re.search(r"^dev:.*\n\t(.*)\n", makefile, re.MULTILINE)
    assert recipe is not None
    assert recipe[1] == "$(BIN)/python manage.py runserver"
    assert "$ make dev\n" in (ROOT / ELSEWHERE["make dev"]).read_text()


def test_console_blocks_are_the_only_place_of_commands():
    for path in DOCUMENTS:
        for block in blocks(path):
            where = f"{label(path)}:{block.line}"
            assert block.language, f"{where}: say the language of this block"
            assert block.language not in {"bash", "sh", "shell"}, f"{where}: make it console"
            if block.language == "console":
                assert list(commands(block)), f"{where}: no command"


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        ("revision 2", "revision 2\n", True),
        ("revision 2", "revision 3\n", False),
        ("revision 2", "revision 2\nand more\n", False),
        ("…\nlast", "one\ntwo\nlast\n", True),
        ("first\n…", "second\n", False),
        ("p95 1.5 ms", "p95   12 ms\n", True),
        ("60 of 50", "61 of 50\n", False),
        ("at 11-20 10:47:32", "at 01-02 03:04:05\n", True),
        ("by … once", "by me@here once\n", True),
    ],
)
def test_outputs_are_compared_as_far_as_a_document_can_know(
    expected: str, printed: str, *, same: bool
):
    assert loosely(expected, printed) is same
