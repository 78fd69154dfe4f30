"""Measuring one piece of work in a process of its own: wall time, processor time, memory."""

import gc
import multiprocessing
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Measured:
    """`wall_s`, `cpu_s`: seconds; `peak_mb`: highest resident memory of that process, imports
    included; `result`: what the work returned.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    result: Any


def measured(work: Callable[..., Any], *arguments: Any) -> Measured:
    """Run `work(*arguments)` in a fresh process; both have to be picklable."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_run, args=(theirs, work, arguments))
    process.start()
    theirs.close()
    try:
        answer = ours.recv()
    except EOFError:
        raise RuntimeError(f"{work.__name__} died") from None
    finally:
        process.join()
    return Measured(*answer)


def _run(pipe: Connection, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    gc.freeze()  # what this process has imported for other clients costs none of them anything
    wall, cpu = time.perf_counter(), time.process_time()
    result = work(*arguments)
    used = time.process_time() - cpu
    pipe.send((time.perf_counter() - wall, used, peak_kb() / 1024, result))


def peak_kb() -> int:
    """The highest resident memory of this process. Linux's own count for rusage begins with what
    the process that started it held, as does the one that it gives to whoever waits for it.
    """
    status = Path("/proc/self/status")
    if status.exists():
        (peak,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(peak.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
