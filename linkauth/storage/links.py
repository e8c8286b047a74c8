"""Stores links, tokens and codes over SQLAlchemy Core."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, exists, select, update

from linkauth.identities import shown_name
from linkauth.logs import event
from linkauth.oauth2.tokens import CODE_REUSED, REFRESH_TOKEN_REUSED, Code, Kind, Link, StorageUnavailableError, Token
from linkauth.storage.engine import Reader, Writer, describe_error
from linkauth.storage.link_changes import link_changes
from linkauth.storage.statements import DENY_LIST_VERSION, FIND_CODE, FIND_TOKEN, LINK_COLUMNS
from linkauth.storage.tables import deny_list, links, tokens
from linkauth.storage.usage import UsageWriter

log = logging.getLogger(__name__)


class LinkStore:
    """`linkauth.oauth2.tokens.TokenStorage` in a database."""

    def __init__(self, engine: Engine) -> None:
        self._reader, self._writer = Reader(engine), Writer(engine)
        self._find = self._reader.prepare(FIND_TOKEN)
        self._find_code = self._reader.prepare(FIND_CODE)
        self._version = self._reader.prepare(DENY_LIST_VERSION)
        self._changes = link_changes(engine)
        self._usage = UsageWriter(engine)

    def create(self, link: Link, tokens: tuple[Token, ...] = (), code: Code | None = None) -> None:
        row = {
            "backend": link.backend,
            "subject": link.subject,
            "username": link.username[:255],
            "client_id": link.client_id,
            "scope": " ".join(link.scopes),
            "grant": link.grant,
            "locale": link.locale,
            "claims": json.dumps(dict(link.claims)),
            "created_at": link.created_at,
            "token_issued_at": link.created_at if tokens else None,
        }
        self._usage.sweep(link.created_at)
        with self._errors():
            self._changes.create(row, _token_rows(tokens), None if code is None else _code_row(code))
        _log("link made", link)

    def find(self, digest: bytes, kind: Kind) -> tuple[Link, Token] | None:
        with self._errors():
            row = self._find({"presented": digest, "kind": kind})
        if row is None:
            return None
        issued_at, expires_at, scope, generation, used_at, jti = row[len(LINK_COLUMNS) :]
        scopes = None if scope is None else tuple(scope.split())
        return _link(row), Token(digest, kind, issued_at, expires_at, scopes, generation, used_at, jti)

    def find_code(self, digest: bytes) -> tuple[Link, Code] | None:
        with self._errors():
            row = self._find_code({"presented": digest})
        return None if row is None else (_link(row), Code(digest, *row[len(LINK_COLUMNS) :]))

    def redeem(self, code: Code, link: Link, tokens: tuple[Token, ...], now: int) -> bool:
        presented = {"presented": code.digest, "link_id": link.id, "now": now}
        with self._errors():
            is_redeemed = self._changes.redeem(presented, _token_rows(tokens))
        if is_redeemed:
            _log("code redeemed", link)
        return is_redeemed

    def renew(
        self, link: Link, presented: Token, expires_at: int | None, tokens: tuple[Token, ...], now: int, consume: bool
    ) -> bool:
        parameters = {
            "presented": presented.digest,
            "link_id": link.id,
            "now": now,
            "generation": presented.generation,
            "new_expiry": expires_at,
        }
        # without rotation there are no other refresh tokens; the sweep deletes expired access tokens
        supersede = presented.generation > 0 or any(token.kind == "refresh" for token in tokens)
        self._usage.sweep(now)
        with self._errors():
            return self._changes.renew(
                parameters, _token_rows(tokens), consume, expires_at != presented.expires_at, supersede
            )

    def end(self, link: Link, reason: str, now: int) -> None:
        active = update(links).where(links.c.id == link.id, links.c.ended_at.is_(None))
        with self._errors(), self._writer.begin() as connection:
            is_ended = connection.execute(active.values(ended_at=now, end_reason=reason[:255])).rowcount
            if is_ended:
                has_jwts = exists().where(_tokens.c.link_id == link.id, _tokens.c.jti.is_not(None))
                connection.execute(update(deny_list).where(has_jwts).values(version=deny_list.c.version + 1))
        if is_ended:
            _log("link ended", link, reason)

    def record_use(self, link: Link, now: int) -> None:
        if link.id is not None:
            self._usage.record_use(link.id, now)

    def sweep(self, now: int) -> None:
        """Deletes rows that are no longer needed, in the background, if the last sweep was at least an hour ago."""
        self._usage.sweep(now)

    def revoked_tokens(self, now: int) -> dict[str, int]:
        ended = select(_tokens.c.jti, _tokens.c.expires_at).join_from(_tokens, links)
        ended = ended.where(links.c.ended_at.is_not(None), _tokens.c.jti.is_not(None), _tokens.c.expires_at > now)
        with self._errors(), self._reader.connect() as connection:
            return {row.jti: row.expires_at for row in connection.execute(ended)}

    def deny_list_version(self) -> int | None:
        with self._errors():
            row = self._version({})
        return None if row is None else int(row[0])

    def close(self) -> None:
        """Writes the queued uses of links, and returns connections to the pool."""
        self._usage.close()
        self._reader.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except self._reader.errors as error:
            raise StorageUnavailableError(describe_error(error)) from error


# an alias, because some methods have an argument `tokens`
_tokens = tokens


def _log(text: str, link: Link, reason: str = "") -> None:
    """Logs an event of a link. `linkauth links` lists the same user name, client and number."""
    event(
        *(log, logging.WARNING if reason in (CODE_REUSED, REFRESH_TOKEN_REUSED) else logging.INFO, text),
        client=link.client_id,
        backend=link.backend,
        grant=link.grant,
        link=link.id,
        reason=reason,
        name=shown_name(link.username),
    )


def _link(row: Sequence[Any]) -> Link:
    """Returns the link in the first columns of a row, which are LINK_COLUMNS."""
    link_id, backend, subject, username, client_id, scope, grant, locale, created_at, ended_at, claims, used = row[:12]
    return Link(
        id=link_id,
        backend=backend,
        subject=subject,
        username=username,
        client_id=client_id,
        scopes=tuple(scope.split()),
        grant=grant,
        locale=locale,
        created_at=created_at,
        ended_at=ended_at,
        claims=json.loads(claims) if claims != "{}" else {},
        last_used_at=used,
    )


def _token_rows(new_tokens: tuple[Token, ...]) -> list[dict[str, Any]]:
    return [
        {
            "digest": token.digest,
            "kind": token.kind,
            "issued_at": token.issued_at,
            "expires_at": token.expires_at,
            "scope": None if token.scopes is None else " ".join(token.scopes),
            "generation": token.generation,
            "jti": token.jti,
        }
        for token in new_tokens
    ]


def _code_row(code: Code) -> dict[str, Any]:
    return {
        "digest": code.digest,
        "redirect_uri": code.redirect_uri,
        "code_challenge": code.code_challenge,
        "expires_at": code.expires_at,
    }
