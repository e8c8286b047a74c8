"""The setting `linkauth.metrics`: who may read the metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

from linkauth.config.secret_strength import CLIENT_MIN_BITS, CLIENT_MIN_LENGTH, weakness

Access = Literal["off", "loopback", "token"]
KEY, TOKEN_KEY = "linkauth.metrics", "linkauth.metrics_token"
_TOKEN = "token:"


def with_metrics_token(ini: Mapping[str, str]) -> Mapping[str, str]:
    """Return the keys with `metrics = token:<value>` written as `metrics = token` and `metrics_token = <value>`.

    The value may be `file:<path>` or `env:<name>`, as that of every secret.
    """
    text = ini.get(KEY, "").strip()
    if not text.startswith(_TOKEN):
        return ini
    return {**ini, KEY: "token", TOKEN_KEY: text.removeprefix(_TOKEN).strip()}


def metrics_faults(access: Access, token: str) -> Iterator[tuple[str, str]]:
    """Yield (key, problem) if the token is missing, superfluous or too weak."""
    if access == "token" and not token:
        yield "metrics", "is token, but there is no token: write token:file:<path>"
    elif access == "token" and (problem := weakness(token, CLIENT_MIN_LENGTH, CLIENT_MIN_BITS)):
        yield "metrics_token", problem
    elif access != "token" and token:
        yield "metrics_token", "applies only with linkauth.metrics = token"
