"""Alerts to a Slack-compatible incoming webhook. Its address is a secret: who has it can post."""

import logging
from datetime import timedelta
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import ConnectTimeoutError, MaxRetryError, NewConnectionError

from sync.alerts.channels.base import DeliveryUncertain
from sync.alerts.digest import Message
from sync.errors import ConfigError, DealpulseError, PermanentError, TransientError

_RETRY_LATER = (408, 425, 429)
_NEVER_CONNECTED = (NewConnectionError, ConnectTimeoutError)


class WebhookChannel:
    """Posts `{"text": ...}` in Slack's mark-up; any 2xx answer means delivered."""

    def __init__(self, name: str, url: str, *, timeout_s: float = 30) -> None:
        self.name = name
        parts = urlsplit(url.strip())
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(
                f"The address of alert channel {name!r} is not a web address; set its environment "
                "variable to the whole address, https:// included."
            )
        self._url = url.strip()
        self._timeout_s = timeout_s
        # urllib3 logs the path of each request, and the path is the secret
        silence = _Without(parts.path)
        for logger in ("urllib3.connectionpool", "urllib3.util.retry"):
            logging.getLogger(logger).addFilter(silence)

    def deliver(self, message: Message) -> None:
        failure = self._post(message)
        # raised out here, so that no chained error carries the address
        if failure is not None:
            raise failure

    def _post(self, message: Message) -> DealpulseError | None:
        try:
            response = requests.post(
                self._url,
                json={"text": f"*{message.mrkdwn_headline}*\n{message.mrkdwn}"},
                timeout=self._timeout_s,
                allow_redirects=False,
            )
        except requests.exceptions.RequestException as error:
            return self._translate(error)
        if response.ok and response.status_code < 300:
            return None
        return self._refused(response)

    def _translate(self, error: requests.exceptions.RequestException) -> DealpulseError:
        if isinstance(error, requests.exceptions.SSLError):
            return TransientError(f"{self.name}: no secure connection to the webhook's server.")
        cause = error.args[0] if error.args else None
        reason = cause.reason if isinstance(cause, MaxRetryError) else None
        if isinstance(error, requests.exceptions.ConnectTimeout | requests.exceptions.ProxyError):
            return TransientError(f"{self.name}: the webhook's server could not be reached.")
        if isinstance(reason, _NEVER_CONNECTED):
            return TransientError(f"{self.name}: the webhook's server could not be reached.")
        if isinstance(error, requests.exceptions.ConnectionError | requests.exceptions.Timeout):
            return DeliveryUncertain(f"{self.name}: sent, but the webhook's server did not answer.")
        return PermanentError(f"{self.name}: the webhook's address cannot be used.")

    def _refused(self, response: requests.Response) -> DealpulseError:
        status = response.status_code
        if status in _RETRY_LATER or status >= 500:
            return TransientError(
                f"{self.name}: the webhook's server answered {status}.",
                retry_after=_retry_after(response),
            )
        return PermanentError(
            f"{self.name}: the webhook's server refused with {status}. If it was revoked, make a "
            "new one and set its environment variable."
        )


class _Without(logging.Filter):
    """Drops log records that show a secret."""

    def __init__(self, secret: str) -> None:
        super().__init__()
        self._secret = secret

    def filter(self, record: logging.LogRecord) -> bool:
        return len(self._secret) < 2 or self._secret not in record.getMessage()


def _retry_after(response: requests.Response) -> timedelta | None:
    text = response.headers.get("Retry-After", "")
    return timedelta(seconds=int(text)) if text.isascii() and text.isdigit() else None
