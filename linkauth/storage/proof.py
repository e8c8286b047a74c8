"""Reads that are certain, also while it is in doubt which of several PostgreSQL servers is the primary.

A former primary that comes back does not have the newest links and tokens, so its answer "there is no such token" may
be wrong. Therefore a token that was not found, or that is no longer valid, is read again after a small commit on the
same connection. The synchronous standby of the primary must confirm this commit. A former primary has no standby, so
that its commit does not end, and the response is 503.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Engine, Select

from linkauth.storage.engine import Writer
from linkauth.storage.postgresql import has_several_hosts, primary_of
from linkauth.storage.statements import Prepared

PROOF = "SELECT pg_logical_emit_message(true, 'linkauth', '')"
"""Writes a few bytes to the log, and changes no table. A commit that writes nothing does not wait for the standby."""


def prepare_certain(engine: Engine, select: Select[Any]) -> Callable[[Mapping[str, Any]], Any] | None:
    """Returns a function that maps the parameters of `select` to its first row (a tuple or None), which is certain.

    The function raises one of `Reader.errors`. Returns None if the URL names one server, whose answers need no proof.
    """
    if engine.dialect.name != "postgresql" or not has_several_hosts(engine.url):
        return None
    prepared, writer, primary = Prepared(engine, select), Writer(engine), primary_of(engine)

    def work(connection: Any, parameters: Mapping[str, Any]) -> Any:
        connection.execute(PROOF).close()
        cursor = prepared.execute(connection, parameters)
        row = cursor.fetchone()
        cursor.close()
        return row

    def find(parameters: Mapping[str, Any]) -> Any:
        try:
            # a writer, so that commits that do not end leave connections to readers
            return writer.run(lambda connection: work(connection, parameters))
        except Exception:
            primary.forget()
            raise

    return find
