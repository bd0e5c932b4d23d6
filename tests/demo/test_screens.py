"""Two who type at a time each read what they have typed themselves; the rest is in the log."""

from __future__ import annotations

import io
import sys
import threading

from demo.screens import Screens


def test_each_has_a_screen_of_their_own():
    log, both = io.StringIO(), threading.Barrier(2)
    read: dict[str, tuple[str, str]] = {}
    before = sys.stdout, sys.stderr

    def type_(name: str) -> None:
        with screens.own() as (printed, complained):
            both.wait(20)
            sys.stdout.write(name)
            sys.stderr.write(f"{name} complains")
            both.wait(20)
        sys.stdout.write(f"{name} is done\n")
        read[name] = printed.getvalue(), complained.getvalue()

    with Screens(log) as screens:
        kept = sys.stdout
        typing = [threading.Thread(target=type_, args=(name,)) for name in ("ann", "bob")]
        for one in typing:
            one.start()
        for one in typing:
            one.join()
    assert read == {name: (name, f"{name} complains") for name in ("ann", "bob")}
    assert sorted(log.getvalue().splitlines()) == ["ann is done", "bob is done"]
    assert (sys.stdout, sys.stderr) == before
    kept.write("a logger that is late")
    assert "late" not in log.getvalue()
