"""Alembic migrations, run by ``store.open_store`` on a connection it already holds."""
