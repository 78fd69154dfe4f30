"""What is handed to a channel: a digest, ready to be sent, however it was composed. Pure."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Task:
    """One alert as something to do. why, step: one sentence each."""

    deal_id: str
    rule: str
    why: str
    step: str


@dataclass(frozen=True, slots=True)
class Message:
    """A digest in every form a channel may need.

    key: the same for the same alerts. owner: or the connection, where it is about that. to: the
    owner's address, None = nobody to write to. subject speaks to the owner, headline of them.
    mrkdwn: Slack's mark-up, escaped. tasks: every alert on a deal by itself, for channels that are
    no digest.
    """

    key: str
    alert_ids: tuple[int, ...]
    at: datetime
    language: str
    owner: str
    to: str | None
    subject: str
    headline: str
    text: str
    html: str
    mrkdwn: str
    mrkdwn_headline: str
    tasks: tuple[Task, ...] = ()
