"""Run by Alembic, on the connection and in the transaction that `sync.mirror.revisions` opened."""

from alembic import context

from sync.mirror.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    render_as_batch=True,
    compare_server_default=True,
)
context.run_migrations()
