"""A Python that has imported what scripts import from others, and forks for each script (`t2ipal/runtime/forks.py`).

    python fork_server.py SOCKET MODULE ...

It imports nothing of the project, so that a job runs the code of its time, and uses neither threads nor GPUs, which do
not survive a fork.
"""

import contextlib
import ctypes
import gc
import glob
import importlib
import os
import runpy
import select
import signal
import socket
import sys
import warnings
from pathlib import Path

DEVICES = ("/dev/nvidia", "/dev/kfd", "/dev/dxg")
"""How the files of GPUs begin: NVIDIA's, AMD's, and those of Windows' subsystem."""

MODULES = (
    *("snakemake.logging", "snakemake.iocontainers", "psutil", "pyarrow.parquet", "pydantic", "PIL.Image", "jinja2"),
    *("torch", "torchvision.transforms", "safetensors.torch", "matplotlib.figure", "matplotlib.backends.backend_agg"),
    *("pandas", "transformers"),
)
"""Most used first."""

ASKING = ("clip", "diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion")
"""Their import asks for GPUs, and CUDA does not work in the fork of a process that has done so."""

HARMLESS = {"jemalloc_bg_thd"}
"""Threads that start again in a fork: that of pyarrow's second allocator, which waits."""

PR_SET_PDEATHSIG = 1

INTERRUPT = signal.getsignal(signal.SIGINT)
"""What Ctrl-C does to a new Python here: nothing, where a shell started it in the background."""


def modules() -> tuple[str, ...]:
    """What the server of this machine imports."""
    return MODULES if has_gpu() else MODULES + ASKING


def has_gpu() -> bool:
    return any(glob.glob(f"{device}*") for device in DEVICES)


def import_all(names: list[str]) -> None:
    """Import modules; one that cannot be is left to the jobs that need it."""
    for name in names:
        with warnings.catch_warnings(), contextlib.suppress(Exception):
            warnings.simplefilter("ignore")
            importlib.import_module(name)


def serve(control: socket.socket) -> str:
    """Say so (0), then fork for each script that is asked for, until the asker is gone.

    A request is the path of a script, with a socket for the answers: the fork's process id, and its exit code. Where
    there can be no fork, there is no answer. An ended fork stays, as a zombie, until the asker closes that socket:
    Snakemake looks at the process after it has the id, however short the job.

    Returns:
        In a fork, the script that it has to run; elsewhere, it does not return.
    """
    running: dict[int, tuple[int, socket.socket]] = {}
    ended: dict[int, tuple[int, socket.socket]] = {}
    _send(control, 0)
    while True:
        ready, _, _ = select.select([control, *running, *ended], [], [])
        for number in running.keys() & set(ready):
            pid, reply = running.pop(number)
            _send(reply, _exit_code(number))
            os.close(number)
            ended[reply.fileno()] = pid, reply
        for number in ended.keys() & set(ready):
            pid, reply = ended.pop(number)
            reply.close()
            os.waitpid(pid, 0)
        if control in ready:
            try:
                request, files, _, _ = socket.recv_fds(control, 4096, 1)
            except ConnectionResetError:  # gone, before it read that this is ready
                request = b""
            if not request:
                os._exit(0)
            script, reply = request.decode(), socket.socket(fileno=files[0])
            pid = _fork(script) if _can_fork() else None
            if pid:
                running[os.pidfd_open(pid)] = pid, reply
                _send(reply, pid)
                continue
            reply.close()
            if pid == 0:
                control.close()
                for number in running:
                    os.close(number)
                for _, other in [*running.values(), *ended.values()]:
                    other.close()
                return script


def _can_fork() -> bool:
    """Whether this process has no thread that a fork would miss, and has asked no GPU: CUDA does not survive a fork."""
    tasks = [Path(f"/proc/self/task/{task}/comm") for task in os.listdir("/proc/self/task") if int(task) != os.getpid()]
    if any(task.read_text().strip() not in HARMLESS for task in tasks):
        return False
    files = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
    return not any(os.readlink(file).startswith(DEVICES) for file in files if os.path.islink(file))


def is_fit() -> bool:
    """Whether torch finds that a GPU works in a fork of this process: no import has asked for one. True without GPU."""
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    if cuda is None or not has_gpu():
        return True
    pid = os.fork()
    if not pid:
        os._exit(cuda._is_in_bad_fork())
    return os.waitpid(pid, 0)[1] == 0


def _fork(script: str) -> int | None:
    """Fork. A fork has the name of its rule, dies with this process, and is else as a new Python. None if it fails."""
    server = os.getpid()
    gc.freeze()  # what is imported lives until the end: to look through it would copy it
    before = _rename(Path(script).name.removesuffix(".py").rpartition(".")[2])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python 3.12 warns of any thread
            pid = os.fork()
    except OSError:
        return None
    if pid:
        _rename(before)
        return pid
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:
        os._exit(1)
    signal.signal(signal.SIGINT, INTERRUPT)
    gc.enable()
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()
    if "torch" in sys.modules:
        sys.modules["torch"].default_generator.seed()
    return 0


def _exit_code(pidfd: int) -> int:
    """The exit code of an ended process that stays a zombie; -9 after SIGKILL."""
    end = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOWAIT)
    return end.si_status if end.si_code == os.CLD_EXITED else -end.si_status


def _rename(name: str) -> str:
    """Set the name of this process, as `top` shows it; return the one before."""
    file = Path("/proc/self/comm")
    before = file.read_text().strip()
    file.write_text(name)
    return before


def _send(reply: socket.socket, number: int) -> None:
    with contextlib.suppress(OSError):  # nobody waits any more
        reply.send(str(number).encode())


if __name__ == "__main__":
    if not sys.flags.safe_path:
        del sys.path[0]  # this folder: a job imports from that of its script
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the jobs and for Snakemake
    gc.disable()
    import_all(sys.argv[2:])
    if not is_fit():
        sys.exit()
    sys.argv = [serve(socket.socket(fileno=int(sys.argv[1])))]
    if not sys.flags.safe_path:
        sys.path.insert(0, os.path.dirname(os.path.abspath(sys.argv[0])))
    runpy.run_path(sys.argv[0], run_name="__main__")
