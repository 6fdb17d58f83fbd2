"""Scripts in forks: as in a process of their own, counted as one, ended as one; and when they start as ever."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from t2ipal.runtime import fork_server
from t2ipal.runtime.forks import Fork, Forks, fork_jobs, script_of

BASH: dict[str, Any] = {"shell": True, "executable": "/bin/bash", "stdout": None}
STATE = """
import gc, json, logging, os, signal, sys, threading, warnings
signals = signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGCHLD
state = {
    "environment": {key: value for key, value in os.environ.items() if key not in ("_", "SHLVL", "PWD", "OLDPWD")},
    "arguments": sys.argv, "path": sys.path, "name": __name__, "file": __file__, "flags": str(sys.flags),
    "main": sys.modules["__main__"].__dict__ is globals(), "folder": os.getcwd(), "threads": threading.active_count(),
    "signals": [str(signal.getsignal(number)) for number in signals], "mask": str(signal.pthread_sigmask(0, ())),
    "gc": [gc.isenabled(), gc.get_threshold()], "logging": [logging.root.level, len(logging.root.handlers)],
    "warnings": [str(rule) for rule in warnings.filters], "files": len(os.listdir("/proc/self/fd")),
    "streams": [os.readlink(f"/proc/self/fd/{number}") for number in (0, 1, 2)],
}
json.dump(state, open("state.json", "w"))
"""
OWNER = """
import os, select, sys
from t2ipal.runtime.forks import Forks
forks = Forks(0, ())
options = {"shell": True, "executable": "/bin/bash", "env": dict(os.environ)}
assert not forks._serves(options)
select.select([forks._control], [], [])
forks.Popen(sys.argv[1], **options).wait()
"""


@pytest.fixture(autouse=True)
def interrupts() -> Iterator[None]:
    """Ctrl-C reaches what is started here, also where a shell started the tests in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("forks")
    (folder / ".snakemake/scripts").mkdir(parents=True)
    return folder


@pytest.fixture
def write(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Write a script where Snakemake does, and return the command for it."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    for file in folder.glob("*"):
        if file.is_file():
            file.unlink()

    def write(text: str) -> str:
        path = folder / ".snakemake/scripts/tmp1.rule.py"
        path.write_text(text)
        return f"set -euo pipefail;  {sys.executable} {path}"

    return write


@pytest.fixture(scope="module")
def shared() -> Iterator[Forks]:
    shared = Forks(alone=0, modules=["numpy.random"])
    yield shared
    end(shared)


@pytest.fixture
def forks(write: Callable[[str], str], shared: Forks) -> Forks:
    """Forks of a server that is ready, and that all tests share."""
    return ready(shared, write)


@pytest.fixture
def mortal(write: Callable[[str], str]) -> Iterator[Forks]:
    """Forks of a server of one's own, which is ready."""
    mortal = Forks(alone=0, modules=())
    yield ready(mortal, write)
    end(mortal)


def ready(forks: Forks, write: Callable[[str], str]) -> Forks:
    wait_for(lambda: run(forks, write("pass")) == (True, 0))
    return forks


def end(forks: Forks) -> None:
    if forks.server:
        forks.server.kill()
        forks.server.wait()


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


def run(forks: Forks, command: str) -> tuple[bool, int]:
    """Run a command as Snakemake does; whether it was forked, and its exit code."""
    process = forks.Popen(command, **BASH, env=environment())
    return isinstance(process, Fork), process.wait()


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_script_finds_what_it_finds_in_a_process_of_its_own(write, forks, folder) -> None:
    command = write(STATE)
    assert run(forks, command) == (True, 0)
    forked = json.loads((folder / "state.json").read_text())
    assert forked["environment"]["OMP_NUM_THREADS"] == "3"
    assert run(Forks(alone=1), command) == (False, 0)
    assert forked == json.loads((folder / "state.json").read_text())


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("pass", 0),
        ("import sys; sys.exit(3)", 3),
        ("import os; os._exit(4)", 4),
        ("import sys; sys.exit('a line')", 1),
        ("raise ValueError('a bug')", 1),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -9),
        ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", -15),
        ("import os, signal; os.kill(os.getpid(), signal.SIGINT)", -2),
    ],
)
def test_exit_codes_and_signals_are_those_of_a_process_of_its_own(write, forks, script: str, code: int) -> None:
    command = write(script)
    assert run(forks, command) == (True, code)
    assert run(Forks(alone=1), command) == (False, code)


def test_each_job_runs_the_code_of_its_time(write, forks, folder) -> None:
    command = write("import own; raise SystemExit(own.code)")
    for code in (5, 66):
        (folder / ".snakemake/scripts/own.py").write_text(f"code = {code}")
        assert run(forks, command) == (True, code)


def test_unseeded_random_numbers_differ(write, forks, folder) -> None:
    numbers = "random.random(), sys.modules['numpy.random'].rand()"
    command = write(f"import random, sys; print({numbers}, file=open('seen', 'a'))")
    assert [run(forks, command) for _ in range(2)] == [(True, 0)] * 2
    assert len(set((folder / "seen").read_text().split())) == 4


def test_cpu_time_and_memory_are_those_of_the_job_alone(write, forks) -> None:
    command = write("import time\nbig = bytearray(80_000_000)\nwhile time.process_time() < 0.3: pass\ntime.sleep(60)")
    fork = forks.Popen(command, **BASH, env=environment())
    process = psutil.Process(fork.pid)
    wait_for(lambda: sum(process.cpu_times()[:2]) >= 0.28 and process.status() == psutil.STATUS_SLEEPING)
    assert sum(process.cpu_times()[:2]) < 1
    assert process.memory_info().rss > 80e6
    assert process.name() == "rule"
    assert process in psutil.Process().children(recursive=True)
    fork.kill()
    assert fork.wait() == -9


def test_an_ended_job_can_be_looked_at_until_its_end_is_known(write, forks) -> None:
    fork = forks.Popen(write("pass"), **BASH, env=environment())
    process = psutil.Process(fork.pid)
    wait_for(lambda: process.status() == psutil.STATUS_ZOMBIE)
    time.sleep(0.1)
    assert process.is_running()
    assert fork.wait() == 0
    wait_for(lambda: not psutil.pid_exists(fork.pid))


def test_a_script_with_another_environment_folder_or_output_starts_as_ever(write, forks, folder, monkeypatch) -> None:
    command = write("pass")
    for change in ({"env": environment() | {"OMP_NUM_THREADS": "2"}}, {"stdout": subprocess.DEVNULL}):
        process = forks.Popen(command, **BASH | {"env": environment()} | change)
        assert isinstance(process, subprocess.Popen)
        assert process.wait() == 0
    monkeypatch.chdir(folder / ".snakemake")
    assert run(forks, command) == (False, 0)


def test_other_commands_start_as_ever(tmp_path) -> None:
    script = tmp_path / ".snakemake/scripts/a b.py"
    assert script_of(f"set -euo pipefail;  {sys.executable} '{script}'") == str(script)
    for command in (
        f"{sys.executable} '{script}' && rm -r x",
        f"{sys.executable} '{script}",
        f"{sys.executable} /other/script.py",
        f"source activate x; {sys.executable} '{script}'",
        f"/usr/bin/other-python '{script}'",
        [sys.executable, "-c", "pass"],
    ):
        assert script_of(command) is None
    assert Forks().check_output(["echo", "x"]) == b"x\n"


def test_the_first_scripts_start_no_server(write) -> None:
    forks = Forks(alone=2)
    command = write("pass")
    assert [run(forks, command), run(forks, command)] == [(False, 0), (False, 0)]
    assert forks.server is None


@pytest.mark.parametrize("is_running", [False, True])
def test_a_script_whose_server_dies_starts_again_as_ever(write, mortal, folder, is_running: bool) -> None:
    wait = "import os, time; open(f'at-{os.getpid()}', 'w')\nwhile not os.path.exists('go'): time.sleep(.01)"
    command = write(wait)
    if is_running:
        fork = mortal.Popen(command, **BASH, env=environment())
        wait_for((folder / f"at-{fork.pid}").exists)
    mortal.server.kill()
    mortal.server.wait()
    (folder / "go").touch()
    assert (fork.wait() == 0) if is_running else (run(mortal, command) == (False, 0))
    assert len(list(folder.glob("at-*"))) == 1 + is_running
    assert not is_running or is_gone(fork.pid)
    assert run(mortal, write("pass")) == (False, 0)


def test_a_server_that_nobody_asked_ends_without_a_word(write, capfd) -> None:
    forks = Forks(0, ())
    assert not forks._serves({"env": environment()})
    select.select([forks._control], [], [])
    forks._control.close()
    assert forks.server.wait(20) == 0
    assert capfd.readouterr().err == ""


def test_a_server_that_does_not_start_is_none(write, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(fork_server, "__file__", str(tmp_path / "missing.py"))
    forks = Forks(alone=0, modules=())
    assert run(forks, write("pass")) == (False, 0)
    forks.server.wait()
    assert run(forks, write("pass")) == (False, 0)


@pytest.mark.parametrize("victim", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_outlives_snakemake(write, folder, victim: int) -> None:
    command = write(
        "import os, time\nprint(os.getppid(), os.getpid(), file=open('at', 'w'), flush=True)\ntime.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", OWNER, command], stderr=subprocess.DEVNULL)
    wait_for(lambda: (folder / "at").exists() and len((folder / "at").read_text().split()) == 2)
    server, fork = map(int, (folder / "at").read_text().split())
    assert server != process.pid
    process.send_signal(victim)
    assert process.wait() != 0
    wait_for(lambda: is_gone(server) and is_gone(fork))


def test_a_process_with_threads_or_a_gpu_does_not_fork() -> None:
    program = "from t2ipal.runtime.fork_server import _can_fork; print(_can_fork()); {}; print(_can_fork())"
    for change in (
        "import threading, time; threading.Thread(target=time.sleep, args=(5,), daemon=True).start()",
        "from t2ipal.runtime import fork_server; fork_server.DEVICES = ('/dev/nu',); file = open('/dev/null')",
    ):
        answer = subprocess.run(
            [sys.executable, "-c", program.format(change)],
            stdin=subprocess.PIPE,
            capture_output=True,
            text=True,
            check=True,
        )
        assert answer.stdout.split() == ["True", "False"]


@pytest.mark.parametrize("asked", [False, True])
def test_where_an_import_asked_for_a_gpu_nothing_is_forked(monkeypatch, asked: bool) -> None:
    torch = SimpleNamespace(cuda=SimpleNamespace(_is_in_bad_fork=lambda: asked))
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setattr(fork_server, "DEVICES", ("/dev/nu",))
    assert fork_server.is_fit() is not asked
    monkeypatch.setattr(fork_server, "DEVICES", ("/dev/no-such-device",))
    assert fork_server.is_fit()


def test_where_the_system_lacks_what_it_needs_nothing_changes(monkeypatch) -> None:
    class Shell:
        sp = subprocess

    fork_jobs(None)
    fork_jobs(Shell)
    assert isinstance(Shell.sp, Forks)
    Shell.sp = subprocess
    monkeypatch.setattr(sys, "platform", "darwin")
    fork_jobs(Shell)
    assert Shell.sp is subprocess


def test_modules_that_ask_for_gpus_are_imported_where_there_is_none(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(fork_server, "DEVICES", (str(tmp_path / "gpu"),))
    assert fork_server.modules() == fork_server.MODULES + fork_server.ASKING
    (tmp_path / "gpu0").touch()
    assert fork_server.modules() == fork_server.MODULES
