"""Commands as forks of a process that has imported the command line already: a second less for each.

Such a fork has arguments, environment, folder and streams of its own, does what `python -m referral` does
and ends as it ends. That one starts from nothing is tried by test_serve, for the wheel by tests/install.
"""

import atexit
import functools
import gc
import importlib
import json
import os
import random
import runpy
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from referral.cli import COMMANDS

_PATIENCE = 120
_LARGEST = 1 << 17
"""Bytes of arguments and environment: a message is sent whole or not at all."""


def run(
    arguments: tuple[str, ...], environment: Mapping[str, str], program: str = "referral"
) -> subprocess.CompletedProcess[str]:
    """`python -m` that program with these arguments, to its end."""
    asking, answering = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with asking, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        with answering:
            message = json.dumps([program, arguments, dict(environment), str(Path.cwd())]).encode()
            given = (answering.fileno(), out.fileno(), err.fileno())
            socket.send_fds(_start(), [message], given)
        asking.settimeout(_PATIENCE)
        code = int(asking.recv(_LARGEST))
        printed = []
        for stream in (out, err):
            stream.seek(0)
            printed.append(stream.read().decode())
    return subprocess.CompletedProcess(arguments, code, *printed)


@functools.cache
def _start() -> socket.socket:
    """The process that is forked, which ends when nobody holds this end any more."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.cli.ready", str(its.fileno())],
            cwd=Path(__file__).parents[2],
            pass_fds=[its.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def end() -> None:
        ours.close()
        process.wait(_PATIENCE)

    atexit.register(end)
    return ours


def _fork(orders: socket.socket) -> str:
    """Returns in each command, with the program that it is to be, when all else of it is in place."""
    while True:
        message, streams, _, _ = socket.recv_fds(orders, _LARGEST, 3)
        if not message:
            sys.exit(0)
        if os.fork() == 0:
            break
        for stream in streams:
            os.close(stream)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
    orders.close()
    answering, out, err = streams
    if command := os.fork():
        _, status = os.waitpid(command, 0)
        with socket.socket(fileno=answering) as answer:
            answer.send(str(os.waitstatus_to_exitcode(status)).encode())
        os._exit(0)
    os.close(answering)
    program, arguments, environment, folder = json.loads(message)
    for stream, number in ((out, 1), (err, 2)):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    os.chdir(folder)
    random.seed()
    sys.argv = [program, *arguments]
    return str(program)


if __name__ == "__main__":
    for name in ("store.migrate", *(f"cli.{command}" for command in COMMANDS)):
        importlib.import_module(f"referral.{name}")
    gc.freeze()  # what is there is not copied for each: neither a collection nor the end looks at it
    wanted = _fork(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module(wanted, run_name="__main__", alter_sys=True)
