"""Alembic's environment: the connection comes from `linkauth.storage.schema`, already in a transaction."""

from alembic import context

from linkauth.storage.tables import VERSION_TABLE, whole_metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=whole_metadata(),
    # the database may be shared with another program of Alembic's
    version_table=VERSION_TABLE,
    render_as_batch=True,
    compare_type=True,
)
context.run_migrations()
