"""What Alembic runs to reach the database: always the connection that `migrate` was given, inside its transaction."""

from alembic import context

from newsletter.database.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,  # true on SQLite too, since our connections begin by themselves
    render_as_batch=True,  # SQLite changes a table only by copying it
)
with context.begin_transaction():
    context.run_migrations()
