"""Jobs in forks of one Python, since three of the four seconds of a short job are the import of torch.

Snakemake starts each script in a new Python. `Forks`, in the place of the module `subprocess` in Snakemake's shell,
asks a server for it: a Python that has imported what scripts import from other projects
(`t2ipal/runtime/fork_server.py`). What the server cannot run, or not yet, starts as ever.

A fork counts as the job's process: Snakemake measures it and gets its exit code. It dies with the server, and the
server ends with Snakemake, however that ends.
"""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

from t2ipal.runtime import fork_server

ALONE = 2
"""How many scripts start before the server does: a rerun of one table needs none."""

PREFIX = "set -euo pipefail;"
"""What Snakemake writes before each command, for bash."""


def fork_jobs(shell: Any) -> None:
    """Let Snakemake's module `snakemake.shell` start scripts in forks, where the system has what this needs."""
    if sys.platform == "linux" and hasattr(os, "pidfd_open") and hasattr(shell, "sp"):
        shell.sp = Forks()


class Forks:
    """The module `subprocess`, but for `Popen`, which runs a script of Snakemake's in a fork.

    Args:
        alone: how many scripts start before the server does.
        modules: what the server imports.
    """

    def __init__(self, alone: int = ALONE, modules: Sequence[str] | None = None) -> None:
        self.alone, self.modules = alone, fork_server.modules() if modules is None else modules
        self.server: subprocess.Popen[bytes] | None = None
        self.is_ready = False
        self._control, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._place: tuple[Any, ...] = ()
        self._lock = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(subprocess, name)

    def Popen(self, command: Any, **options: Any) -> subprocess.Popen[Any] | Fork:
        """Start a command; a script in a fork, if the server can run it."""

        def start() -> subprocess.Popen[Any]:
            return subprocess.Popen(command, **options)

        script = script_of(command)
        if script is None or not self._serves(options):
            return start()
        reply, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, contextlib.suppress(OSError):
            socket.send_fds(self._control, [script.encode()], [theirs.fileno()])
        pid = _number(reply)
        return start() if pid is None else Fork(pid, reply, start)

    def _serves(self, options: dict[str, Any]) -> bool:
        """Whether the server is ready for a script with these options of `Popen`; it starts when that pays.

        A fork has the environment, the folder and the streams that the server started with.
        """
        stdout = options.get("stdout")
        stream = stdout.fileno() if hasattr(stdout, "fileno") else stdout
        place = (os.getcwd(), options.get("env"), 1 if stream is None else stream)
        with self._lock:
            if self.alone:
                self.alone -= 1
                return False
            if self.server is None:
                self._place = place
                with self._theirs as theirs:
                    arguments = [sys.executable, fork_server.__file__, str(theirs.fileno()), *self.modules]
                    self.server = subprocess.Popen(arguments, env=options.get("env"), pass_fds=[theirs.fileno()])
            if not self.is_ready and select.select([self._control], [], [], 0)[0]:
                self.is_ready = _number(self._control) is not None
            return self.is_ready and place == self._place


class Fork:
    """A fork of the server, with what Snakemake uses of `subprocess.Popen`."""

    def __init__(self, pid: int, reply: socket.socket, start: Callable[[], subprocess.Popen[Any]]) -> None:
        self.pid, self._reply, self._start = pid, reply, start

    def wait(self) -> int:
        """Wait for the end, and return the exit code (-9 after SIGKILL). Where the server died, start again without."""
        with self._reply:
            code = _number(self._reply)
        return self._start().wait() if code is None else code

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def terminate(self) -> None:
        os.kill(self.pid, signal.SIGTERM)


def script_of(command: Any) -> str | None:
    """The script of Snakemake's that a command runs with the Python of this process; none for any other command."""
    text = str(command).removeprefix(PREFIX).strip()
    python, _, quoted = text.partition(" ")
    with contextlib.suppress(ValueError):  # an open quote
        words = shlex.split(quoted)
        # What a shell would do more than to take quotes away is quoted here.
        if python == sys.executable and len(words) == 1 and shlex.quote(words[0]) == quoted:
            return words[0] if "/.snakemake/scripts/" in words[0] else None
    return None


def _number(answers: socket.socket) -> int | None:
    """The next number that the server sends; none if it sends no more."""
    with contextlib.suppress(OSError, ValueError):
        return int(answers.recv(32))
    return None
