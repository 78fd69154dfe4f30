"""Death at the n-th step that a process makes in its database: a statement or a commit."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from sqlalchemy import Engine, event


class Killed(BaseException):
    """The process ends here: nothing after it runs."""


def raise_killed() -> NoReturn:
    raise Killed


def kill_this_process() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def mortal(engine: Engine, steps: int | None, die: Callable[[], None]) -> Iterator[None]:
    """`die` instead of the step with that number, and of every later one, so that nothing tidies
    up; None: live. What a transaction held at that moment is rolled back, as a database does."""
    if steps is None:
        yield
        return
    left = steps

    def step(*_: object) -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            die()

    events = ("before_cursor_execute", "commit")
    for name in events:
        event.listen(engine, name, step)
    try:
        yield
    finally:
        for name in events:
            event.remove(engine, name, step)
