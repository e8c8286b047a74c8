"""Tests of a database whose schema is older than challenges and the outbox."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import inspect

from linkauth.config.settings import SettingsError
from linkauth.storage import ChallengeStore, open_engine, require_current, upgrade
from linkauth.storage.schema import HEAD
from tests.storage.challenge_values import SECRET, answer, new_started, start


def test_schema_without_challenges_is_refused_with_remedy_and_upgraded(database_folder: Path) -> None:
    engine = open_engine(f"sqlite:///{database_folder}/links.sqlite", for_operator=True)
    config = Config()
    config.set_main_option("script_location", "linkauth.storage:migrations")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0005")
    assert "challenges" not in inspect(engine).get_table_names()
    with pytest.raises(SettingsError, match=rf"has schema 0005, but this version needs {HEAD}; run: linkauth db upgr"):
        require_current(engine)
    assert upgrade(engine) == ("0005", HEAD)
    require_current(engine)
    store = ChallengeStore(engine, SECRET)
    assert answer(store, start(store, new_started()), use=True) == "correct"
    engine.dispose()
