"""Python that is warm: a process that has imported what Snakemake and its jobs import, and forks for each command.

Most of what a small run costs is the start of Python, Snakemake and torch, once per command and once per job. A fork
has them at once; it is a process of its own, so that no state leaks from one command into the next. Nothing of the
project is imported before the fork: a command uses the code of the folder that it runs in.

    python warm.py serve SOCKET     imports and forks until its standard input ends
    python warm.py run SOCKET THREADS SCRIPT     runs a script in a fork, as `python SCRIPT`
    python warm.py python SOCKET ARGUMENTS     does in a fork what `python ARGUMENTS` does, with the same streams

Who asks many things of one folder whose code stays takes a `branch`: a fork that has imported that too, and forks.

Tests call `run_snakemake` and `run_python`. The workers of pytest -n are forks too (`python_command`).
"""

from __future__ import annotations

import array
import json
import os
import socket
import struct
import sys
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

if __name__ != "__main__" or sys.argv[1] == "serve":  # the one that runs a script for Snakemake starts without
    import contextlib
    import select
    import shlex
    import signal
    import subprocess
    import tempfile
    import time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HEAD = struct.Struct("!i")
SERVER = "T2IPAL_WARM_PYTHON"
"""The variable that names the server's socket."""
ASKS_FOR_TIME = HEAD.pack(0)
"""A request without a body: how many CPU-seconds have the server and its ended forks taken?"""
PLACE = "<the path of the rules>"
"""In the place of the path in what is remembered of a Snakefile."""
BRANCHES: list[str] = []
"""The sockets of the branches that this process has started."""


def send(path: str, request: dict[str, Any], files: tuple[int, int, int]) -> socket.socket:
    """Give a command, and its standard streams, to the server; the answer can be read from what is returned."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect(path)
    body = json.dumps(request).encode()
    connection.sendmsg([HEAD.pack(len(body))], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", files))])
    connection.sendall(body)
    return connection


def number(connection: socket.socket) -> int:
    """The next number of an answer: first the process id of the fork, then its exit code."""
    head = connection.recv(HEAD.size, socket.MSG_WAITALL)
    if len(head) < HEAD.size:
        raise ConnectionError("the server of warm Pythons has gone")
    return HEAD.unpack(head)[0]


def server_seconds() -> float:
    """CPU-seconds of the server and its branches, and of those of their forks that have ended."""
    seconds = 0.0
    for path in (os.environ[SERVER], *BRANCHES):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(path)
            connection.sendall(ASKS_FOR_TIME)
            seconds += number(connection) / 1000
    return seconds


def run_snakemake(
    arguments: list[str], folder: Path, environment: dict[str, str], timeout: float, branch: str | None = None
) -> subprocess.CompletedProcess[str]:
    """What `python -m snakemake` with these arguments does in a folder; standard output and standard error together."""
    request = {"argv": ["snakemake", *arguments], "cwd": str(folder), "environment": environment}
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        return answered(request, output, output, timeout, branch)


class Started:
    """Snakemake in a fork of the server, with what tests use of `subprocess.Popen`; its scripts start anew.

    Attributes:
        pid: the process id.
    """

    def __init__(self, arguments: list[str], folder: Path, environment: dict[str, str], output: TextIO) -> None:
        server = os.environ[SERVER]
        own = {"argv": ["snakemake", *arguments], "cwd": str(folder), "environment": environment, "server": server}
        with open(os.devnull) as nothing:
            files = (nothing.fileno(), output.fileno(), output.fileno())
            self._connection = send(server, own | {"scripts": "new"}, files)
        self.pid = number(self._connection)
        self._code: int | None = None

    def wait(self, timeout: float) -> int | None:
        """The exit code, -9 after SIGKILL; None where it runs for longer than these seconds."""
        if self._code is None and select.select([self._connection], [], [], timeout)[0]:
            with self._connection as connection:
                self._code = number(connection)
        return self._code


def branch(folder: Path, modules: list[str], environment: dict[str, str]) -> Iterator[str]:
    """Start a fork of the server that imports modules of a folder and serves there; yield the name of its socket."""
    with tempfile.TemporaryDirectory(prefix="t2ipal-") as own:
        path, server = os.path.join(own, "branch.socket"), os.environ[SERVER]
        request = {"argv": ["serve", path, *modules], "cwd": str(folder), "environment": environment, "server": server}
        stays, ours = os.pipe()  # it ends with its standard input
        try:
            with open(os.devnull, "w") as nothing, send(server, request, (stays, nothing.fileno(), 2)) as connection:
                process = number(connection)
                while not os.path.exists(path):
                    assert not select.select([connection], [], [], 0.01)[0], "a branch did not start"
                BRANCHES.append(path)
                yield path
                BRANCHES.remove(path)
                os.kill(process, signal.SIGKILL)
                number(connection)
        finally:
            os.close(stays)
            os.close(ours)


def run_python(
    arguments: list[str], folder: Path, environment: dict[str, str] | None = None, timeout: float = 600
) -> subprocess.CompletedProcess[str]:
    """What `python -c TEXT ARGUMENTS` or `python -m MODULE ARGUMENTS` does in a folder, with much imported already."""
    request = {"argv": arguments, "cwd": str(folder), "environment": environment or dict(os.environ)}
    with tempfile.TemporaryFile("w+", encoding="utf-8") as out, tempfile.TemporaryFile("w+", encoding="utf-8") as err:
        return answered(request, out, err, timeout)


def answered(
    request: dict[str, Any], out: TextIO, err: TextIO, timeout: float, branch: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Have a command run by the server, or a branch of it, to its end; what it printed is read from the files."""
    request |= {"server": branch or os.environ[SERVER]}
    with (
        open(os.devnull) as nothing,
        send(request["server"], request, (nothing.fileno(), out.fileno(), err.fileno())) as connection,
    ):
        process = number(connection)
        connection.settimeout(timeout)
        try:
            code = number(connection)
        except TimeoutError:
            os.killpg(process, signal.SIGKILL)
            code = None
    for file in (out, err):
        file.seek(0)
    if code is None:
        raise subprocess.TimeoutExpired(request["argv"], timeout, out.read())
    return subprocess.CompletedProcess(request["argv"], code, out.read(), err.read())


def start_server(folder: Path) -> subprocess.Popen[bytes]:
    """Start what `run_snakemake` asks, from here and from the processes that are started here after it."""
    os.environ[SERVER] = str(folder / "warm.socket")
    command = [sys.executable, __file__, "serve", os.environ[SERVER]]
    server = subprocess.Popen(command, stdin=subprocess.PIPE)
    while not os.path.exists(os.environ[SERVER]):
        assert server.poll() is None
        time.sleep(0.01)
    return server


def serve(path: str, is_warm: bool = False) -> None:
    """Fork for each command that comes, until standard input ends; import at the first one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(f"{path}.new")
    listener.listen(64)
    os.rename(f"{path}.new", path)  # who sees the name can connect
    ended, tell = socket.socketpair()
    tell.setblocking(False)
    signal.set_wakeup_fd(tell.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    asked: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select([listener, ended, 0], [], [])
        if ended in ready:
            ended.recv(1024)
        with contextlib.suppress(ChildProcessError):
            while (end := os.waitpid(-1, os.WNOHANG))[0]:
                if end[0] in asked:
                    with asked.pop(end[0]) as connection, contextlib.suppress(OSError):  # who has asked may be gone
                        connection.sendall(HEAD.pack(os.waitstatus_to_exitcode(end[1])))
        if 0 in ready and not os.read(0, 1):
            os._exit(0)  # what libraries say of objects that outlive them is no news to anyone
        if listener in ready:
            connection, _ = listener.accept()
            head, files, _, _ = socket.recv_fds(connection, HEAD.size, 3)
            if head == ASKS_FOR_TIME:
                connection.sendall(HEAD.pack(int(1000 * sum(os.times()[:4]))))
                connection.close()
                continue
            request = json.loads(connection.recv(HEAD.unpack(head)[0], socket.MSG_WAITALL))
            if not is_warm:
                warm_up()
                is_warm = True
            if process := os.fork():
                for file in files:
                    os.close(file)
                asked[process] = connection
                with contextlib.suppress(OSError):
                    connection.sendall(HEAD.pack(process))
            else:
                signal.set_wakeup_fd(-1)
                for ours in (signal.SIGINT, signal.SIGCHLD):
                    signal.signal(ours, signal.SIG_DFL)
                for each in (listener, ended, tell, connection, *asked.values()):
                    each.close()
                begin(request, files)


def warm_up() -> None:
    """Import what commands import, and nothing of the project."""
    import gc
    import importlib
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in IMPORTED:
            importlib.import_module(name)
        sys.modules["snakemake.cli"].get_argument_parser()  # looks for plug-ins
    gc.freeze()
    # For short lives, in which nobody pulls the plug: to look for garbage and to wait for disks takes a tenth of them.
    gc.set_threshold(50_000, 20, 50)
    os.fsync = lambda file: None


IMPORTED = (
    *("snakemake.cli", "snakemake.executors.local", "snakemake.script", "smart_open", "pandas", "pyarrow.parquet"),
    *("pydantic", "torch", "safetensors.torch", "clip", "matplotlib.pyplot", "spacy"),
    "diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion",
    # and tests
    *("scipy.stats", "sklearn.cluster", "sklearn.metrics", "torchvision.transforms.v2", "hypothesis.strategies"),
    *("torchmetrics.functional.classification", "cleanlab.filter", "transformers.models.clip.modeling_clip"),
)


def begin(request: dict[str, Any], files: list[int]) -> NoReturn:
    """Be the process that the command would have started."""
    import importlib
    import random
    import runpy
    from types import ModuleType

    os.setpgid(0, 0)
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout, sys.stderr = (open(number, "w", encoding="utf-8", closefd=False) for number in (1, 2))  # noqa: SIM115
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    search = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    sys.argv = request["argv"]
    random.seed()
    script = request.get("script")
    sys.path[:] = [os.path.dirname(script) if script else os.getcwd(), *search, *SEARCH]
    if "threads" in request:
        import torch

        torch.set_num_threads(request["threads"])
    code: object = 1
    try:
        if script:
            runpy.run_path(script, run_name="__main__")
        elif sys.argv[0] == "-m":
            sys.argv = sys.argv[1:]
            runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
        elif sys.argv[0] == "-c":
            sys.modules["__main__"] = ModuleType("__main__")  # processes that it spawns do not look for a file
            exec(sys.argv.pop(1), sys.modules["__main__"].__dict__)
        elif sys.argv[0] == "serve":
            for name in sys.argv[2:]:
                importlib.import_module(name)
            serve(sys.argv[1], is_warm=True)
        else:
            if request.get("scripts") != "new":
                forking(request["server"])
            remembering(os.path.dirname(os.environ[SERVER]))
            from snakemake.cli import main

            main()
        code = 0
    except SystemExit as end:
        code = end.code
    except BaseException:
        import traceback

        traceback.print_exc()
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)


def forking(server: str) -> None:
    """Let Snakemake run its Python scripts in forks of the server too."""
    from snakemake.script import PythonScript

    def execute_script(self: Any, fname: str, edit: bool = False) -> None:
        command = "{python} -ISE {warm:q} run {server:q} {threads} {fname:q}"
        self._execute_cmd(command, python=sys.executable, warm=os.path.abspath(__file__), server=server, fname=fname)

    PythonScript.execute_script = execute_script


def remembering(folder: str) -> None:
    """Let Snakemake translate rules, and read YAML, once for each content, whichever project has it: half a dry run."""
    import yte
    from snakemake import workflow

    translate, process_yaml = workflow.parse, yte.process_yaml

    def parse(path: Any, flow: Any, linemap: dict[int, int], rulecount: int = 0) -> tuple[str, int]:
        name = repr(path.get_path_or_uri(secret_free=True))
        with flow.sourcecache.open(path) as file:
            text = file.read()

        def made() -> tuple[str, dict[int, int], int]:
            lines: dict[int, int] = {}
            code, count = translate(path, flow, lines, rulecount=rulecount)
            return code.replace(name, PLACE), lines, count

        code, lines, count = remembered(folder, ("rules", text, rulecount), made)
        linemap.update(lines)
        return code.replace(PLACE, name), count

    def read_yaml(file: TextIO, require_use_yte: bool) -> Any:
        text = file.read()
        file.seek(0)
        return remembered(folder, ("YAML", text), lambda: process_yaml(file, require_use_yte=require_use_yte))

    workflow.parse, yte.process_yaml = parse, read_yaml


def remembered(folder: str, key: tuple[object, ...], make: Callable[[], Any]) -> Any:
    """What `make` returns for a key, from a file of the folder if it was made before: a value of literals alone."""
    import ast
    import hashlib

    path = os.path.join(folder, hashlib.sha256(repr(key).encode()).hexdigest())
    try:
        with open(path, encoding="utf-8") as file:
            return ast.literal_eval(file.read())
    except FileNotFoundError:
        value = make()
        with open(f"{path}.{os.getpid()}", "w", encoding="utf-8") as file:
            file.write(repr(value))
        os.replace(file.name, path)
        return value


def python_command() -> str:
    """The command of a Python whose processes are forks: for a text (-c), a module (-m) or a script."""
    return shlex.join([sys.executable, "-ISE", os.path.abspath(__file__), "python", os.environ[SERVER]])


SEARCH = sys.path[1:]
if __name__ == "__main__":
    what, server, *argv = sys.argv[1:]
    if what == "serve":
        serve(server)
    request = {"cwd": os.getcwd(), "environment": dict(os.environ), "server": server}
    if what == "run":
        request |= {"threads": int(argv[0]), "argv": argv[1:], "script": argv[1]}
    else:
        while argv[0].startswith("-") and argv[0] not in ("-c", "-m"):  # such as -u
            del argv[0]
        request |= {"argv": argv} if argv[0].startswith("-") else {"argv": argv, "script": argv[0]}
    connection = send(server, request, (0, 1, 2))
    number(connection)
    sys.exit(number(connection))
