"""The configuration of the NGINX beside an agent: compiled, tried by NGINX itself, then used.

::

    folder/
      compiled-3f2a…/     a whole configuration, `secret.map` and `clients.map`; never changed
      current -> compiled-3f2a…
      told -> compiled-3f2a…      what NGINX was last told to read
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
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from strangler.manifest import ManifestErrors, load
from strangler.ports.trust import clients
from strangler.ports.trust.clients import ClientsUnusable
from strangler.routing.nginx import CLIENTS, CannotCompile, Settings, clients_map, compiled

SECRET = "secret.map"  # noqa: S105  # the file's name
_TRIED = 30.0
_AGAIN = 5.0
"""Seconds before what was refused is tried once more: names may be found by then, a disk empty."""
_WRITTEN = re.compile(r"[A-Za-z0-9._~+/=-]+")


class NotConfigured(Exception):
    """The edge goes on with the configuration that it has; says why."""


_Mark = tuple[object, ...]


class Nginx:
    """An NGINX, its folder, and what its configuration is made of."""

    def __init__(
        self, folder: Path, *, program: str, manifest: Path, secret: Path, settings: Settings
    ) -> None:
        """Ask it for its version.

        ``secret`` is the file with the secret by which the monolith knows its edges; beside it are
        the clients that have a key. ``retired`` of the settings are the capabilities that are so
        whatever the control plane says.

        Raises:
            NotConfigured: there is no such program.
        """
        self.folder = folder
        self.log = folder / "access.json"
        self._program = program
        self._manifest = manifest
        self._secret = secret
        self._settings = settings
        named = (settings.certificate, settings.certificate_key)
        self._tls = tuple(Path(path) for path in named if path)
        self._fitted: _Mark | None = None
        self._refused: tuple[_Mark, str, float] | None = None
        self.version = self._version()

    def fit(self, retired: frozenset[str]) -> bool:
        """Let NGINX have the configuration that the manifest wants now; False if it has it.

        Raises:
            NotConfigured: there is none, or NGINX does not agree to it; it keeps the one it has.
        """
        clients_file = self._secret.with_name(clients.FILE)
        read = (self._manifest, self._secret, clients_file, *self._tls)
        mark = (retired, *map(_stamp, read))
        if mark == self._fitted:
            return False
        if self._refused is not None:
            refused, why, until = self._refused
            if mark == refused and time.monotonic() < until:
                raise NotConfigured(why)
        try:
            changed = self._fit(retired)
        except NotConfigured as error:
            self._refused = (mark, str(error), time.monotonic() + _AGAIN)
            raise
        self._fitted, self._refused = mark, None
        return changed

    def _fit(self, retired: frozenset[str]) -> bool:
        files = self._files(retired)
        # NGINX reads a certificate once: another one in the same place is another configuration.
        name = f"compiled-{_digest({**files, **self._certified()})}"
        there = self._points("current", name)
        if there and self._points("told", name):
            return False
        try:
            if not there:
                self.folder.mkdir(parents=True, exist_ok=True)
                self._write(self.folder / name, files)
                self._try(name)
                self._point("current", name)
            # Whoever is killed before it has told NGINX tells it when it comes again.
            self._signal(signal.SIGHUP)
            self._point("told", name)
            self._tidy(keep=name)
        except OSError as error:
            raise NotConfigured(f"{error.filename or self.folder}: {error.strerror}") from error
        return True

    def reopen(self) -> None:
        """Let a running NGINX open its logs again."""
        self._signal(signal.SIGUSR1)

    def _files(self, retired: frozenset[str]) -> dict[str, str]:
        try:
            manifest = load(self._manifest)
            gone = (self._settings.retired | retired) & manifest.capabilities.keys()
            version = tuple(map(int, self.version.split(".")))
            settings = replace(self._settings, retired=frozenset(gone), version=version)
            secret = self._secret.read_text(encoding="utf-8").strip()
            if not _WRITTEN.fullmatch(secret):
                raise NotConfigured(
                    f"{self._secret}: this is no secret; make one: strangler keys edge"
                )
            known = clients_map(manifest, clients.read(self._secret.parent))
            files = {**compiled(manifest, settings), SECRET: f'edge "{secret}";\n'}
            return files | ({CLIENTS: known} if known else {})
        except (ManifestErrors, CannotCompile, ClientsUnusable) as error:
            raise NotConfigured(str(error)) from error
        except OSError as error:
            raise NotConfigured(f"{error.filename}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise NotConfigured(f"{self._secret}: {error}") from error

    def _certified(self) -> dict[str, str]:
        try:
            return {str(path): path.read_text(encoding="utf-8") for path in self._tls}
        except OSError as error:
            raise NotConfigured(f"{error.filename}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise NotConfigured(f"a certificate, and its key, are PEM: {error}") from error

    def _write(self, folder: Path, files: Mapping[str, str]) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        staged = folder.with_name(f".{folder.name}-{secrets.token_hex(4)}")
        staged.mkdir()
        try:
            for name, text in files.items():
                mode = 0o600 if name in {SECRET, CLIENTS} else 0o644
                descriptor = os.open(staged / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
                with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
            staged.rename(folder)
        except OSError:
            shutil.rmtree(staged, ignore_errors=True)
            raise

    def _try(self, name: str) -> None:
        where = ("-p", str(self.folder), "-c", f"{name}/nginx.conf", "-e", "error.log")
        tried = self._run("-t", "-q", *where)
        if tried.returncode:
            shutil.rmtree(self.folder / name, ignore_errors=True)
            said = tried.stderr.strip().splitlines() or [f"exit code {tried.returncode}"]
            why = next((line for line in said if "[emerg]" in line), said[0])
            raise NotConfigured(f"{self._program} -t: {why}")

    def _points(self, link: str, name: str) -> bool:
        path = self.folder / link
        return path.is_symlink() and path.readlink().name == name and (path / "nginx.conf").exists()

    def _point(self, link: str, name: str) -> None:
        fresh = self.folder / f".{link}-{secrets.token_hex(4)}"
        fresh.symlink_to(name)
        fresh.replace(self.folder / link)

    def _tidy(self, *, keep: str) -> None:
        for path in (*self.folder.glob("compiled-*"), *self.folder.glob(".compiled-*")):
            if path.name != keep:
                shutil.rmtree(path, ignore_errors=True)
        for link in (*self.folder.glob(".current-*"), *self.folder.glob(".told-*")):
            link.unlink(missing_ok=True)

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
            pid = int((self.folder / "nginx.pid").read_text())
            if _is_nginx(pid):
                os.kill(pid, number)


def _is_nginx(pid: int) -> bool:
    """Is this still the one that has written its number down, and not somebody else by now?"""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"nginx: ")
    except FileNotFoundError:
        return not Path("/proc/self/cmdline").exists()  # no Linux: nobody can say


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
