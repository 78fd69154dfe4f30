"""OAuth tokens at rest: encrypted, one row per connection, renewed by one process at a time."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final
from uuid import uuid4

import orjson
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from sqlalchemy import Engine, or_, select, update

from sync.clock import Clock
from sync.errors import ConfigError
from sync.mirror.engine import reading, writing
from sync.mirror.schema import oauth_token
from sync.mirror.upsert import insert

CLAIM_TTL: Final = timedelta(seconds=40)
"""A process that died while it renewed holds the others up for no longer."""


class SealedTokens:
    """`keys`: the first one encrypts, all of them decrypt, so that a key can be replaced.

    key_name: where the keys come from, for errors. holder: this process, as it signs its claim.
    """

    def __init__(
        self,
        engine: Engine,
        connection: str,
        keys: Sequence[str],
        clock: Clock,
        *,
        key_name: str,
        holder: str,
    ) -> None:
        self._engine = engine
        self._connection = connection
        self._cipher = cipher(keys, key_name)
        self._clock = clock
        self._key_name = key_name
        self._holder = f"{holder}:{uuid4().hex[:8]}"  # a process may have several of these

    def load(self) -> dict[str, str]:
        """Empty where there are none. Raises ConfigError where no key opens them."""
        query = select(oauth_token.c.sealed).where(oauth_token.c.connection == self._connection)
        with reading(self._engine) as snapshot:
            sealed = snapshot.execute(query).scalar_one_or_none()
        if not sealed:
            return {}
        try:
            values = orjson.loads(self._cipher.decrypt(sealed.encode()))
        except InvalidToken:
            raise ConfigError(
                f"The stored tokens of {self._connection} cannot be decrypted with the key in "
                f"{self._key_name}: put the key back that they were stored with (an older one goes "
                "behind the new one, after a comma), or run "
                f"`dealpulse connect {self._connection}` to grant access anew."
            ) from None
        return {str(name): str(value) for name, value in values.items()}

    def save(self, values: Mapping[str, str]) -> None:
        """Replaces them, encrypted with the first key."""
        sealed = self._cipher.encrypt(orjson.dumps(dict(values))).decode()
        row = {"connection": self._connection, "sealed": sealed, "saved_at": self._clock.now()}
        with writing(self._engine) as transaction:
            saved = insert(transaction, oauth_token).values(row)
            kept = {name: saved.excluded[name] for name in ("sealed", "saved_at")}
            transaction.execute(
                saved.on_conflict_do_update(index_elements=["connection"], set_=kept)
            )

    def claim(self) -> bool:
        """Whether this process may renew now; False while another one does."""
        now = self._clock.now()
        row = {
            "connection": self._connection,
            "sealed": "",
            "saved_at": now,
            "claimed_by": self._holder,
            "claimed_until": now + CLAIM_TTL,
        }
        table = oauth_token.c
        with writing(self._engine) as transaction:
            free = insert(transaction, oauth_token).values(row)
            taken = free.on_conflict_do_update(
                index_elements=["connection"],
                set_={
                    "claimed_by": free.excluded.claimed_by,
                    "claimed_until": free.excluded.claimed_until,
                },
                where=or_(
                    table.claimed_by.is_(None),
                    table.claimed_until <= now,
                ),
            )
            returned = transaction.execute(taken.returning(table.connection))
            return returned.one_or_none() is not None

    def release(self) -> None:
        """Give the claim back, where it is still this process's."""
        given = (
            update(oauth_token)
            .where(
                oauth_token.c.connection == self._connection,
                oauth_token.c.claimed_by == self._holder,
            )
            .values(claimed_by=None, claimed_until=None)
        )
        with writing(self._engine) as transaction:
            transaction.execute(given)


def cipher(keys: Sequence[str], key_name: str) -> MultiFernet:
    """Raises ConfigError, without showing it, for what is no key."""
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except (ValueError, TypeError):
        raise ConfigError(
            f"{key_name}: this is not an encryption key; `dealpulse connect --new-key` prints one "
            "(several are separated by commas, the newest first)"
        ) from None


def new_key() -> str:
    """A fresh encryption key."""
    return Fernet.generate_key().decode()
