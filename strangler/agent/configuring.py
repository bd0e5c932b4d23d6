"""The configuration of the NGINX beside an agent: compiled, tried by NGINX itself, then used.

::

    folder/
      compiled-3f2a…/     a whole configuration, and `secret.map`; written once, never changed
      current -> compiled-3f2a…
      nginx.pid  access.json  error.log

NGINX runs as ``nginx -p folder -c current/nginx.conf``. It is told to read its files again only if
they have changed and it has agreed to the new ones: until then it goes on with what it has.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from strangler.manifest import ManifestErrors, load
from strangler.routing.nginx import CannotCompile, Settings, compiled

SECRET = "secret.map"  # noqa: S105  # the file's name
_TRIED = 30.0


class NotConfigured(Exception):
    """The edge goes on with the configuration that it has; says why."""


_Mark = tuple[object, ...]


class Nginx:
    """An NGINX, its folder, and what its configuration is made of."""

    def __init__(
        self, folder: Path, *, program: str, manifest: Path, secret: Path, settings: Settings
    ) -> None:
        """Ask it for its version.

        ``secret`` is the file with the secret by which the monolith knows its edges; ``retired`` of
        the settings are the capabilities that are so whatever the control plane says.

        Raises:
            NotConfigured: there is no such program.
        """
        self.folder = folder
        self.log = folder / "access.json"
        self._program = program
        self._manifest = manifest
        self._secret = secret
        self._settings = settings
        self._fitted: _Mark | None = None
        self.version = self._version()

    def fit(self, retired: frozenset[str]) -> bool:
        """Let NGINX have the configuration that the manifest wants now; False if it has it.

        Raises:
            NotConfigured: there is none, or NGINX does not agree to it; it keeps the one it has.
        """
        mark = (retired, *map(_stamp, (self._manifest, self._secret)))
        if mark == self._fitted:
            return False
        changed = self._fit(retired)
        self._fitted = mark
        return changed

    def _fit(self, retired: frozenset[str]) -> bool:
        files = self._files(retired)
        name = f"compiled-{_digest(files)}"
        link = self.folder / "current"
        if link.is_symlink() and link.readlink().name == name and (link / "nginx.conf").exists():
            return False
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._write(self.folder / name, files)
            self._try(name)
            self._point(link, name)
            self._tidy(keep=name)
        except OSError as error:
            raise NotConfigured(f"{error.filename or self.folder}: {error.strerror}") from error
        self.reload()
        return True

    def reload(self) -> None:
        """Let a running NGINX read its files again."""
        self._signal(signal.SIGHUP)

    def reopen(self) -> None:
        """Let a running NGINX open its logs again."""
        self._signal(signal.SIGUSR1)

    def _files(self, retired: frozenset[str]) -> dict[str, str]:
        try:
            manifest = load(self._manifest)
            gone = (self._settings.retired | retired) & manifest.capabilities.keys()
            version = tuple(map(int, self.version.split(".")))
            settings = replace(self._settings, retired=frozenset(gone), version=version)
            secret = self._secret.read_text(encoding="ascii").strip()
            return {**compiled(manifest, settings), SECRET: f'edge "{secret}";\n'}
        except (ManifestErrors, CannotCompile) as error:
            raise NotConfigured(str(error)) from error
        except OSError as error:
            raise NotConfigured(f"{error.filename}: {error.strerror}") from error

    def _write(self, folder: Path, files: Mapping[str, str]) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        staged = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
        staged.mkdir()
        for name, text in files.items():
            mode = 0o600 if name == SECRET else 0o644
            descriptor = os.open(staged / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        staged.rename(folder)

    def _try(self, name: str) -> None:
        tried = self._run("-t", "-q", "-p", str(self.folder), "-c", f"{name}/nginx.conf")
        if tried.returncode:
            shutil.rmtree(self.folder / name, ignore_errors=True)
            said = tried.stderr.strip().splitlines() or [f"exit code {tried.returncode}"]
            raise NotConfigured(f"{self._program} -t: {said[0]}")

    def _point(self, link: Path, name: str) -> None:
        fresh = link.with_name(f".current-{secrets.token_hex(4)}")
        fresh.symlink_to(name)
        fresh.replace(link)

    def _tidy(self, *, keep: str) -> None:
        for path in (*self.folder.glob("compiled-*"), *self.folder.glob(".compiled-*")):
            if path.name != keep:
                shutil.rmtree(path, ignore_errors=True)

    def _version(self) -> str:
        said = self._run("-v").stderr
        found = re.search(r"nginx/(\d+(?:\.\d+)+)", said)
        if found is None:
            raise NotConfigured(f"{self._program} -v says {said.strip()!r}: is that an NGINX?")
        return found[1]

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [self._program, *arguments],
                capture_output=True,
                text=True,
                timeout=_TRIED,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NotConfigured(f"{self._program} can't be run: {error}") from error

    def _signal(self, number: signal.Signals) -> None:
        with suppress(OSError, ValueError):  # it does not run
            os.kill(int((self.folder / "nginx.pid").read_text()), number)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """What is different about a file once it has been written anew."""
    try:
        said = path.stat()
    except OSError:
        return None
    return said.st_mtime_ns, said.st_ino, said.st_size


def _digest(files: Mapping[str, str]) -> str:
    digest = sha256()
    for name in sorted(files):
        digest.update(f"{name}\0{files[name]}\0".encode())
    return digest.hexdigest()[:16]
