"""Tests of the journal: what it keeps, its limits, its storage on SQLite and PostgreSQL, and that it has no secret."""

from __future__ import annotations

import ast
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, delete, select, text

from linkauth import identities
from linkauth.cli.diagnosis.cases import facts_of, filled
from linkauth.cli.diagnosis.diagnose import TABLES
from linkauth.cli.diagnosis.request_cases import REQUEST_CASES
from linkauth.cli.diagnosis.sign_in_cases import SIGN_IN_CASES
from linkauth.cli.diagnosis.stage_cases import STAGE_CASES
from linkauth.cli.diagnosis.token_cases import TOKEN_CASES
from linkauth.events.attempts import AuthorizationOpened, FormRefused
from linkauth.events.journal import ANYBODY_PER_MINUTE, BY_ANYBODY, BY_PEOPLE, DAY, SHORTENED, Journal
from linkauth.events.sink import Record
from linkauth.events.steps import Step
from linkauth.events.stream import Events
from linkauth.events.types import Event, LinkCreated, SignInRefused
from linkauth.logs import context
from linkauth.storage import open_engine, upgrade
from linkauth.storage.journal import JournalStore
from linkauth.storage.journal_table import journal
from linkauth.web.attempt_ids import AttemptIds
from tests.servers.postgresql import running
from tests.why.conftest import Linking

NOW = 1_800_000_000
ROOT = Path(__file__).parents[2] / "linkauth"


class Memory:
    """A storage of steps in memory."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.purged: list[int] = []
        self.batches = 0

    def write(self, steps: Sequence[Step]) -> None:
        self.batches += 1
        self.steps += steps

    def purge(self, before: int) -> int:
        self.purged.append(before)
        return 0


def record(event: Event, at: float = NOW, attempt: str = "", **context: str) -> Record:
    return Record(event, at, {"attempt": attempt, **context})


def opened(number: int, at: float = NOW) -> Record:
    return record(AuthorizationOpened("layla.amazon.com"), at, f"{number:016x}")


def test_a_flood_of_openings_is_limited_and_said_and_hides_no_link() -> None:
    memory = Memory()
    sink = Journal(memory, 14, lambda: NOW)
    created = LinkCreated("home", 7, "implicit", "staff", "1", "ada")
    flood = [opened(number) for number in range(ANYBODY_PER_MINUTE + 500)]
    refused = SignInRefused("wrong_password", "staff")
    # a sign-in that is on the way to no link, such as that of the page of a person's own links, is not kept
    sink.write([*flood, record(created), record(refused, attempt="0" * 16), record(refused)])
    kinds = [step.step for step in memory.steps]
    assert kinds.count("authorization.opened") == ANYBODY_PER_MINUTE
    assert kinds[-2:] == ["link.created", "sign_in.refused"]
    sink.write([opened(1, NOW + 61)])
    assert [(step.step, step.detail) for step in memory.steps[-2:]] == [
        (SHORTENED, "500 authorization.opened"),
        ("authorization.opened", "layla.amazon.com"),
    ]
    # what is left out at the end is said too
    sink.write(flood)
    sink.close()
    assert memory.steps[-1].step == SHORTENED


def test_one_batch_is_one_write_and_a_page_that_is_opened_again_is_one_step() -> None:
    memory = Memory()
    sink = Journal(memory, 14, lambda: NOW)
    sink.write([opened(1), opened(1), opened(2)])
    assert (memory.batches, len(memory.steps)) == (1, 2)


def test_old_steps_are_deleted_once_an_hour() -> None:
    memory, now = Memory(), [float(NOW)]
    sink = Journal(memory, 14, lambda: now[0])
    sink.write([opened(1)])
    sink.write([opened(2)])
    assert memory.purged == [NOW - 14 * DAY]
    now[0] += 3_601
    sink.write([opened(3)])
    assert memory.purged[1:] == [NOW + 3_601 - 14 * DAY]


def test_a_step_has_the_keyed_name_and_what_the_policy_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = Memory()
    monkeypatch.setattr(Journal, "delay_seconds", 0.0)
    monkeypatch.setattr(identities, "_policy", ("none", "a secret"))
    events = Events([Journal(memory, 14)])
    with context(attempt="0" * 16):
        events.emit(SignInRefused("wrong_password", "staff", typed=" ADA "))
    events.close()
    (step,) = memory.steps
    assert step.name == ""
    assert step.name_key == identities.person_key("ada", "a secret")
    assert step.name_key != identities.person_key("ada", "another secret")
    assert step.cause == "wrong_password"


def test_an_attempt_is_the_same_on_all_its_pages_and_another_with_another_state() -> None:
    ids = AttemptIds("a secret")
    query = [("client_id", "home"), ("response_type", "code"), ("redirect_uri", "https://a.example/"), ("state", "S")]
    same = ids.of([*query, ("ui_locales", "de")], "192.0.2.1")
    assert len(bytes.fromhex(same)) == 8
    assert ids.of(query, "192.0.2.2") == same
    assert ids.of([*query[:3], ("state", "T")], "192.0.2.1") != same
    assert AttemptIds("another").of(query, "192.0.2.1") != same
    # without a state, people are told apart by their address
    assert ids.of(query[:3], "192.0.2.1") != ids.of(query[:3], "192.0.2.2")
    assert ids.of([("state", "S")], "192.0.2.1") == ""


@pytest.fixture(scope="module")
def postgresql_url() -> Iterator[str]:
    with running() as server:
        yield server.url


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, database_folder: Path) -> Iterator[Engine]:
    is_file = request.param == "sqlite"
    url = f"sqlite:///{database_folder}/j.sqlite" if is_file else request.getfixturevalue("postgresql_url")
    found = open_engine(url, for_operator=True)
    upgrade(found)
    with found.begin() as connection:
        connection.execute(delete(journal))
    yield found
    found.dispose()


def test_steps_are_stored_found_purged_and_erased(engine: Engine) -> None:
    store = JournalStore(engine)
    ada, grace = identities.person_key("ada", "s"), identities.person_key("grace", "s")
    steps = [
        Step(NOW - 100, "authorization.opened", "home", b"attempt1"),
        Step(NOW - 90, "sign_in.succeeded", "home", b"attempt1", name_key=ada, name="ada", detail="x" * 5_000),
        Step(NOW - 80, "link.created", "home", b"attempt1", 7, name_key=ada),
        Step(NOW - 70, "token.refused", "home", None, 7, "refresh_expired"),
        Step(NOW - 60, "sign_in.refused", "alexa", b"attempt2", name_key=grace),
        Step(NOW - 50, "client.refused", "home", cause="wrong_secret"),
    ]
    store.write(steps)
    stored = [replace(step, detail=step.detail[:1024]) for step in steps]
    assert list(store.recent(NOW - 1_000)) == stored[::-1]
    assert list(store.recent(NOW - 85)) == stored[:1:-1]
    assert [step.at for step in store.recent(0, ["alexa"])] == [NOW - 60]
    assert [step.at for step in store.recent(0, [], [ada], [7])] == [NOW - 70, NOW - 80, NOW - 90]
    assert store.of([b"attempt1"], [7]) == stored[:4]
    assert store.of_clients(0) == [stored[5]]
    assert store.oldest() == NOW - 100
    assert store.erase([grace], [7]) == 3
    assert [step.at for step in store.recent(0)] == [NOW - 50, NOW - 90, NOW - 100]
    assert store.purge(NOW - 60) == 2
    assert store.purge(0, limit=0) == 1
    assert store.oldest() is None


def test_a_flood_leaves_the_newest_rows(engine: Engine) -> None:
    store = JournalStore(engine)
    store.write([Step(NOW + number, "authorization.opened") for number in range(2_500)])
    assert store.purge(0, limit=1_200) == 1_300
    assert [store.oldest(), len(list(store.recent(0)))] == [NOW + 1_300, 1_200]


def test_the_journal_is_deleted_if_it_is_turned_off(make_app: Callable[..., Any], linking: Linking) -> None:
    linking.alexa().open()
    linking.flush()
    engine = linking.services.engine
    with engine.connect() as connection:
        assert connection.execute(select(journal.c.id).limit(1)).first() is not None
    app = make_app(journal_days="0", database=str(engine.url))
    from linkauth.services import services_of

    services = services_of(app.registry)
    assert "journal" not in services.events.dropped()
    services.start()
    deadline = time.monotonic() + 30
    while JournalStore(engine).oldest() is not None:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_no_password_state_code_or_token_is_in_the_journal(linking: Linking) -> None:
    alexa = linking.alexa(state="c4n4ry-state")
    alexa.submit("ada", "c4n4ry-password", status=403)
    code = alexa.code()
    tokens = linking.exchange(code).json
    linking.refresh("c4n4ry-refresh", "home")
    linking.token({"grant_type": "authorization_code", "code": "c4n4ry-code", "redirect_uri": "https://c.example/"})
    alexa.parameters["redirect_uri"] += "?state=c4n4ry"
    alexa.open(status=400)
    linking.flush()
    with linking.services.engine.connect() as connection:
        dump = str(connection.execute(text("SELECT * FROM journal")).all())
    assert len(dump) > 1_000
    for secret in ("c4n4ry", code, *tokens.values()):
        if isinstance(secret, str) and len(secret) > 6 and secret != "order_car":
            assert secret not in dump


def test_a_person_is_found_while_the_secret_changes(linking: Linking) -> None:
    linking.alexa().submit("Konrad", "wrong-password", status=403)
    linking.flush()
    text = linking.ini.read_text("utf-8")
    former = "only for tests, 32 characters or more"
    new = "linkauth.secret = kR7wq2Zt9mXv4pLs8nBd3fGh6jYc1aEu\n"
    counts = []
    for previous in (f"linkauth.previous_secrets = {former}\n", ""):
        linking.ini.write_text(text.replace(f"linkauth.secret = {former}\n", new + previous), "utf-8")
        counts.append(len(linking.why("--person", "konrad")["attempts"]))
    linking.ini.write_text(text, "utf-8")
    assert counts == [1, 0]
    assert len(linking.why("--person", "KONRAD")["attempts"]) == 1


def causes_in_code() -> dict[str, set[str]]:
    """Returns the causes that the protocol raises, by the table that must have them."""
    found: dict[str, set[str]] = {"request": set(), "token": set()}
    for path in (ROOT / "oauth2").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            texts = [each.value for each in node.args if isinstance(each, ast.Constant)]
            given = [each.value for each in node.keywords if each.arg == "cause"]
            named = [each.value for each in given if isinstance(each, ast.Constant)]
            if node.func.id == "AuthorizationError":
                found["request"].update(named or texts[-1:])
            elif node.func.id == "UntrustedRequestError":
                found["request"].update(texts[:1])
            elif node.func.id == "invalid_grant" and texts:
                found["token"].add(texts[0])
            elif node.func.id in ("InvalidClientError", "ClientRequestError"):
                found["token"].update(named or texts[-1:])
    return found


def test_every_cause_of_the_protocol_has_a_case() -> None:
    found = causes_in_code()
    assert len(found["request"]) > 10
    assert len(found["token"]) > 15
    assert found["request"] - REQUEST_CASES.keys() == set()
    # that of the function `invalid_grant` itself
    assert found["token"] - TOKEN_CASES.keys() == {"invalid_grant"}


def test_every_template_can_be_filled_and_says_what_to_correct(linking: Linking) -> None:
    facts = facts_of(linking.services.settings, "a.ini", "home") | {"source": "staff", "detail": "why"}
    for table in (REQUEST_CASES, TOKEN_CASES, SIGN_IN_CASES, STAGE_CASES):
        for cause, case in table.items():
            meaning, corrections = filled(case, type(facts_of(linking.services.settings, "", ""))(facts))
            assert "is not known" not in f"{meaning}{corrections}", cause
            assert "{" not in f"{meaning}", cause
            assert corrections or cause == "request_object", cause


def test_every_step_that_is_kept_is_an_event_with_words() -> None:
    from linkauth.cli.why import WORDS
    from tests.events.test_event_documents import event_classes

    assert WORDS.keys() == BY_ANYBODY | BY_PEOPLE
    assert WORDS.keys() <= event_classes().keys()
    assert TABLES.keys() <= WORDS.keys()
    assert FormRefused.name in BY_ANYBODY
