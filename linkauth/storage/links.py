"""Stores links, tokens and codes over SQLAlchemy Core."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, and_, bindparam, delete, exists, insert, or_, select, update

from linkauth.oauth2.tokens import Code, Kind, Link, StorageUnavailableError, Token
from linkauth.storage.engine import Reader, Writer, describe_error
from linkauth.storage.tables import codes, deny_list, links, tokens
from linkauth.storage.usage import UsageWriter

RETENTION_SECONDS = 86_400
"""A day. Older expired access tokens of a link are deleted when it gets new tokens; see also `usage.sweep`."""
REPLAY_DETECTION_SECONDS = 30 * 86_400
"""How long rotated refresh tokens are stored. Until then, a replay is detected and ends the link."""

_LINK = (
    links.c.id,
    links.c.backend,
    links.c.subject,
    links.c.username,
    links.c.client_id,
    links.c.scope,
    links.c.grant,
    links.c.locale,
    links.c.created_at,
    links.c.ended_at,
    links.c.claims,
    links.c.last_used_at,
)
_TOKEN = (
    tokens.c.issued_at,
    tokens.c.expires_at,
    tokens.c.scope.label("token_scope"),
    tokens.c.generation,
    tokens.c.used_at,
    tokens.c.jti,
)
_FIND = (
    select(*_LINK, *_TOKEN)
    .join_from(tokens, links)
    .where(tokens.c.digest == bindparam("digest"), tokens.c.kind == bindparam("kind"))
)
_FIND_CODE = (
    select(*_LINK, codes.c.redirect_uri, codes.c.code_challenge, codes.c.expires_at, codes.c.used_at)
    .join_from(codes, links)
    .where(codes.c.digest == bindparam("digest"))
)
_VERSION = select(deny_list.c.version)


class LinkStore:
    """`linkauth.oauth2.tokens.TokenStorage` in a database."""

    def __init__(self, engine: Engine) -> None:
        self._reader, self._writer = Reader(engine), Writer(engine)
        self._find = self._reader.prepare(_FIND)
        self._find_code = self._reader.prepare(_FIND_CODE)
        self._version = self._reader.prepare(_VERSION)
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
        with self._errors(), self._writer.begin() as connection:
            link_id = connection.execute(insert(links).returning(links.c.id), row).scalar_one()
            _insert_tokens(connection, link_id, tokens)
            if code is not None:
                row = {
                    "digest": code.digest,
                    "link_id": link_id,
                    "redirect_uri": code.redirect_uri,
                    "code_challenge": code.code_challenge,
                    "expires_at": code.expires_at,
                }
                connection.execute(insert(codes), row)

    def find(self, digest: bytes, kind: Kind) -> tuple[Link, Token] | None:
        with self._errors():
            row = self._find({"digest": digest, "kind": kind})
        if row is None:
            return None
        issued_at, expires_at, scope, generation, used_at, jti = row[len(_LINK) :]
        scopes = None if scope is None else tuple(scope.split())
        return _link(row), Token(digest, kind, issued_at, expires_at, scopes, generation, used_at, jti)

    def find_code(self, digest: bytes) -> tuple[Link, Code] | None:
        with self._errors():
            row = self._find_code({"digest": digest})
        return None if row is None else (_link(row), Code(digest, *row[len(_LINK) :]))

    def redeem(self, code: Code, link: Link, tokens: tuple[Token, ...], now: int) -> bool:
        use_code = update(codes).where(codes.c.digest == code.digest, codes.c.used_at.is_(None)).values(used_at=now)
        active = and_(links.c.id == link.id, links.c.ended_at.is_(None))
        with self._errors(), self._writer.begin() as connection:
            if connection.execute(use_code.returning(codes.c.link_id)).first() is None:
                return False
            update_link = update(links).where(active).values(token_issued_at=now)
            if connection.execute(update_link.returning(links.c.id)).first() is None:
                return False
            _insert_tokens(connection, link.id, tokens)
        return True

    def renew(
        self, link: Link, presented: Token, expires_at: int | None, tokens: tuple[Token, ...], now: int, consume: bool
    ) -> bool:
        same_token = _tokens.c.digest == presented.digest
        active = and_(links.c.id == link.id, links.c.ended_at.is_(None))
        # the lock (on PostgreSQL) prevents that the link ends now and the new token is missing in the deny list
        lock_link = select(links.c.id).where(active).with_for_update(read=True)
        with self._errors(), self._writer.begin() as connection:
            if connection.execute(lock_link).first() is None:
                return False
            if consume:
                use_token = update(_tokens).where(same_token, _tokens.c.used_at.is_(None)).values(used_at=now)
                if connection.execute(use_token.returning(_tokens.c.link_id)).first() is None:
                    return False
            if expires_at != presented.expires_at:
                connection.execute(update(_tokens).where(same_token).values(expires_at=expires_at))
            unused = _tokens.c.used_at.is_(None)
            expired = and_(_tokens.c.kind == "access", _tokens.c.expires_at < now - RETENTION_SECONDS)
            # with `consume`, this includes tokens of the same generation that were derived with another secret
            earlier = and_(_tokens.c.generation < presented.generation + consume, unused)
            # the client did not receive these successors, since it still uses their predecessor a day later
            is_successor = _tokens.c.generation == presented.generation + 1
            lost = and_(is_successor, _tokens.c.issued_at < now - RETENTION_SECONDS, unused)
            replay_detection_over = _tokens.c.used_at < now - REPLAY_DETECTION_SECONDS
            superseded = and_(_tokens.c.kind == "refresh", or_(earlier, lost, replay_detection_over))
            connection.execute(delete(_tokens).where(_tokens.c.link_id == link.id, or_(expired, superseded)))
            _insert_tokens(connection, link.id, tokens)
        return True

    def end(self, link: Link, reason: str, now: int) -> None:
        active = update(links).where(links.c.id == link.id, links.c.ended_at.is_(None))
        with self._errors(), self._writer.begin() as connection:
            if connection.execute(active.values(ended_at=now, end_reason=reason[:255])).rowcount:
                has_jwts = exists().where(_tokens.c.link_id == link.id, _tokens.c.jti.is_not(None))
                connection.execute(update(deny_list).where(has_jwts).values(version=deny_list.c.version + 1))

    def record_use(self, link: Link, now: int) -> None:
        if link.id is not None:
            self._usage.record_use(link.id, now)

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
        """Writes the queued uses of links."""
        self._usage.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except self._reader.errors as error:
            raise StorageUnavailableError(describe_error(error)) from error


# an alias, because some methods have an argument `tokens`
_tokens = tokens


def _link(row: Sequence[Any]) -> Link:
    """Returns the link in the first columns of a row, which are those of _LINK."""
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


def _insert_tokens(connection: Connection, link_id: int | None, new_tokens: tuple[Token, ...]) -> None:
    if new_tokens:
        rows = [
            {
                "digest": token.digest,
                "link_id": link_id,
                "kind": token.kind,
                "issued_at": token.issued_at,
                "expires_at": token.expires_at,
                "scope": None if token.scopes is None else " ".join(token.scopes),
                "generation": token.generation,
                "jti": token.jti,
            }
            for token in new_tokens
        ]
        connection.execute(insert(_tokens), rows)
