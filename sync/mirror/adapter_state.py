"""What an adapter remembers between runs beside its cursor; see `sync.crm.pipedrive.state`."""

from collections.abc import Mapping

from sqlalchemy import Engine

from sync.clock import Clock
from sync.mirror import read, write


class AdapterState:
    """Kept with the cursors of the connection, each part under a stream of its own."""

    def __init__(self, engine: Engine, connection: str, clock: Clock) -> None:
        self._engine = engine
        self._connection = connection
        self._clock = clock

    def load(self, part: str) -> Mapping[str, str]:
        return dict(read.cursor(self._engine, self._connection, _stream(part)) or {})

    def save(self, part: str, values: Mapping[str, str]) -> None:
        at = self._clock.now()
        write.save_cursor(self._engine, self._connection, _stream(part), values, at=at)


def _stream(part: str) -> str:
    return f"adapter:{part}"
