"""Alembic environment. `linkauth.storage.schema` passes a connection with an open transaction."""

from alembic import context

from linkauth.storage.tables import VERSION_TABLE, full_metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=full_metadata(),
    # another application in the same database may also use Alembic
    version_table=VERSION_TABLE,
    render_as_batch=True,
    compare_type=True,
)
context.run_migrations()
