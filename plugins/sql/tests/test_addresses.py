"""Tests of the search for the people at an email address, on database servers."""

from __future__ import annotations

import pytest

from linkauth.backends import UnknownUser

from .servers import PASSWORD, MariaDBStore, ServerStore
from .stores import ALL_POWERS

WRITING = {**ALL_POWERS, "new_account": ("active=true",)}


@pytest.fixture(params=["postgresql_store", "mariadb_store"])
def store(request: pytest.FixtureRequest) -> ServerStore:
    store: ServerStore = request.getfixturevalue(request.param)
    return store


def test_people_at_an_address(store: ServerStore) -> None:
    backend = store.backend(**WRITING)
    assert [person.username for person in backend.people_at("Joerg@EXAMPLE.com")] == ["Jörg"]
    store.add("konrad", PASSWORD, email="Konrad.Öl@example.com", active=False)
    store.add("zuse", PASSWORD, email="konrad.öL@Example.com")
    assert [person.username for person in backend.people_at("KONRAD.ÖL@example.com")] == ["konrad", "zuse"]
    assert [person.subject for person in backend.people_at("konrad.O\u0308l@example.com")] == ["2", "3"]
    for stranger in ("konrad.ol@example.com", "\u212aonrad.öl@example.com", "konrad.öl@example.com ", "%@example.com"):
        assert list(backend.people_at(stranger)) == []
    # the address of several people is nobody's name
    with pytest.raises(UnknownUser):
        backend.recipient("KONRAD.ÖL@example.com")
    store.add("twin", PASSWORD, email="Konrad.Öl@example.com")
    with pytest.raises(UnknownUser):
        backend.recipient("Konrad.Öl@example.com")
    assert len(backend.people_at("konrad.öl@example.com")) == 3


def test_an_address_is_found_by_the_index_of_its_column(mariadb_store: MariaDBStore) -> None:
    store = mariadb_store
    store.run("CREATE INDEX address ON people (email)")
    for number in range(50):
        store.add(f"somebody-{number}", PASSWORD, email=f"somebody-{number}@example.com")
    backend = store.backend(**WRITING, username_match="collation")
    statement = str(backend._finder.statements().by_address)
    assert "email = :email AND" in statement
    plan = store.run(
        "EXPLAIN SELECT * FROM people WHERE email = 'JOERG@example.com'"
        " AND lower(convert(email USING utf8mb4)) = lower('JOERG@example.com') COLLATE utf8mb4_bin ORDER BY id"
    )
    assert plan[0][5] == "address"
    assert [person.username for person in backend.people_at("JOERG@example.com")] == ["Jörg"]
