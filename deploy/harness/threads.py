# SPDX-License-Identifier: Apache-2.0
"""Stops one thread of a running process, as the kernel may: ptrace stops a single TID (SIGSTOP stops them all)."""
import contextlib
import ctypes
import os
import pathlib
import queue
import threading
import time

_PTRACE_SEIZE, _PTRACE_INTERRUPT, _PTRACE_DETACH, _WALL = 0x4206, 0x4207, 17, 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


def find(pid, name):
    """TIDs of the threads with this name."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            if (task / "comm").read_text().strip() == name:
                found.append(int(task.name))
    return found


def state(pid, tid):
    return pathlib.Path(f"/proc/{pid}/task/{tid}/stat").read_text().rsplit(") ", 1)[1][0]


def _call(request, tid):
    if _libc.ptrace(request, tid, None, None) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"ptrace({request:#x}, {tid}): {os.strerror(error)}")


@contextlib.contextmanager
def stopped(pid, tid):
    """The thread stands still inside the block. ptrace wants all its calls from one thread, so that has one."""
    ready, leave = queue.Queue(), threading.Event()

    def body():
        try:
            _call(_PTRACE_SEIZE, tid)
            _call(_PTRACE_INTERRUPT, tid)
            os.waitpid(tid, _WALL)
            ready.put(None)
        except BaseException as error:
            ready.put(error)
            return
        leave.wait()
        _call(_PTRACE_DETACH, tid)

    thread = threading.Thread(target=body)
    thread.start()
    error = ready.get(timeout=10)
    if error:
        thread.join()
        raise error
    try:
        deadline = time.monotonic() + 2
        while state(pid, tid) not in "tT" and time.monotonic() < deadline:
            time.sleep(0.01)
        assert state(pid, tid) in "tT", "the thread did not stop"
        yield
    finally:
        leave.set()
        thread.join(10)
