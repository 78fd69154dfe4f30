"""What lets us in, and what a CRM has told unasked."""

from sqlalchemy import Column, String, Table

from sync.mirror.metadata import metadata
from sync.mirror.types import Instant

oauth_token = Table(
    "oauth_token",
    metadata,
    Column("connection", String, primary_key=True),
    Column("sealed", String, nullable=False, comment="Encrypted; empty = not connected yet."),
    Column("saved_at", Instant, nullable=False),
    Column("claimed_by", String, comment="The process that is renewing."),
    Column("claimed_until", Instant),
    comment="OAuth tokens, encrypted. Written by whichever process renews, one at a time.",
)

webhook_hint = Table(
    "webhook_hint",
    metadata,
    Column("connection", String, primary_key=True),
    Column("deal_id", String, primary_key=True),
    Column("occurred_at", Instant, nullable=False, comment="The latest event, as the CRM says."),
    comment="Deals to be read at the next pull. Written by the webhook endpoint, cleared by pull.",
)
