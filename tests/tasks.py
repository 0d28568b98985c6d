"""What workers of the engine are told to do in tests; they import it by this name."""

import os
import signal
import time

from lib.store.errors import Problem, Unusable


class Fatal:
    """Whoever writes this down is killed."""

    def __reduce__(self):
        os.kill(os.getpid(), signal.SIGKILL)


def task(order, value=None):
    """Do as ordered; "ok" answers with the value and the process."""
    if order == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if order == "crash answering":
        return Fatal()
    if order == "exit":
        os._exit(3)
    if order == "kill who asked" and not value.exists():  # once, where this can be written down
        if value.parent.is_dir():
            value.touch()
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(100_000)
    if order == "hang":
        if value:
            value.write_text(str(os.getpid()))
        time.sleep(100_000)
    if order == "problem":
        raise Problem("no such luck")
    if order == "bad":
        raise Unusable("a good reason")
    if order == "error":
        raise KeyError("x")
    return value, os.getpid()
