"""Alembic environment: the connection comes from the caller, so there is no second way to configure one."""

from alembic import context

from federation.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
