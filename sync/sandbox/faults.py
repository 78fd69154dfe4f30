"""Faults on demand: what goes wrong, for which requests, how often."""

import threading
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Literal

FaultKind = Literal[
    "html_502",
    "html_200",
    "truncated_json",
    "short_body",
    "empty_body",
    "reset_before",
    "reset_after_commit",
    "html_414",
    "locked_423",
    "migration_477",
    "rate_limited_429",
    "server_500",
    "slow",
    "hang_before",
    "hang_after_commit",
    "not_json_content_type",
    "null_200",
    "timeout_524",
    "payment_402",
    "forbidden_403",
    "cloudflare_403",
    "daily_limit_429",
    "maintenance_503",
    "no_paging",
    "half_answer_207",
]
"""reset_before: the connection breaks before anything happened; reset_after_commit: the request
was carried out and the answer is lost, as with truncated_json, short_body (the connection ends
before the promised length), empty_body, html_200, null_200 and
not_json_content_type. no_paging: the answer does not tell that there is more. half_answer_207: of
several records the last is left out for trouble that may pass. hang_before and hang_after_commit
are the two resets, after a wait. All others answer instead of carrying out; slow only delays."""


COMMON: tuple[FaultKind, ...] = (
    "html_502",
    "html_200",
    "truncated_json",
    "short_body",
    "empty_body",
    "reset_before",
    "reset_after_commit",
    "html_414",
    "rate_limited_429",
    "server_500",
    "slow",
    "hang_before",
    "hang_after_commit",
    "not_json_content_type",
    "null_200",
    "timeout_524",
    "cloudflare_403",
)
HUBSPOT_ONLY: tuple[FaultKind, ...] = (
    "locked_423",
    "migration_477",
    "no_paging",
    "half_answer_207",
)
PIPEDRIVE_ONLY: tuple[FaultKind, ...] = (
    "payment_402",
    "forbidden_403",
    "daily_limit_429",
    "maintenance_503",
)


@dataclass(slots=True)
class Fault:
    """Strikes `times` matching requests after letting `after` of them through.

    times: -1 = for ever. path_contains, method: "" = any. seconds: how long slow and the hanging
    ones wait, in real time. retry_after_s: what 429 and 477 say; None = the header is left out.
    """

    kind: FaultKind
    times: int = 1
    path_contains: str = ""
    method: str = ""
    after: int = 0
    seconds: float = 0.2
    retry_after_s: int | None = None

    def matches(self, method: str, path: str) -> bool:
        return self.path_contains in path and self.method.upper() in ("", method)


class Faults:
    """`kinds`: those that the simulated CRM knows."""

    def __init__(self, kinds: Iterable[FaultKind] = COMMON + HUBSPOT_ONLY) -> None:
        self._kinds = tuple(kinds)
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(
        self,
        kind: FaultKind,
        times: int = 1,
        path_contains: str = "",
        method: str = "",
        after: int = 0,
        *,
        seconds: float = 0.2,
        retry_after_s: int | None = None,
    ) -> None:
        """Raises ValueError for a kind that does not exist."""
        if kind not in self._kinds:
            raise ValueError(f"no fault {kind!r}; there are {', '.join(self._kinds)}")
        fault = Fault(kind, times, path_contains, method, after, seconds, retry_after_s)
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def pending(self) -> list[dict[str, object]]:
        with self._lock:
            return [asdict(fault) for fault in self._faults]

    def take(self, method: str, path: str) -> Fault | None:
        """The fault that strikes this request, if any; the oldest goes first."""
        with self._lock:
            for fault in self._faults:
                if not fault.matches(method, path):
                    continue
                if fault.after > 0:
                    fault.after -= 1
                    continue
                if fault.times > 0:
                    fault.times -= 1
                if fault.times == 0:
                    self._faults.remove(fault)
                return fault
        return None
