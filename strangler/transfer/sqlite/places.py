"""Where the door of a capability is: files beside the database's.

- the gate, one for each token: held alone by the mover while the door is closed, and together by
  those that come in, for a moment. A mover that is stopped keeps its own closed, and repair has
  made another by then;
- the hold: held together by those that are inside;
- the claim, one for each token: held alone by whoever applies;
- the places where commands may wait.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Places:
    """The files of one capability's door."""

    database: Path
    capability: str

    @property
    def folder(self) -> Path:
        """All of them."""
        return self.database.with_name(self.database.name + ".strangler")

    @property
    def hold(self) -> Path:
        """Held by those that are inside."""
        return self._file("hold")

    def gate(self, token: int) -> Path:
        """The way in, while this token counts."""
        return self._file(f"gate.{token}")

    def claim(self, token: int) -> Path:
        """Held by whoever applies, while this token counts."""
        return self._file(f"claim.{token}")

    def waiting(self, number: int) -> Path:
        """A place to wait."""
        return self._file(f"waiting.{number}")

    def clear(self, *, before: int | None = None) -> None:
        """Remove what tokens before this one have left behind; or everything."""
        for path in self.folder.glob(f"{self.capability}.*"):
            _, _, number = path.name.removeprefix(f"{self.capability}.").partition(".")
            stale = number.isdigit() and before is not None and int(number) < before
            if before is None or (stale and not path.match("*.waiting.*")):
                path.unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        return self.folder / f"{self.capability}.{name}"
