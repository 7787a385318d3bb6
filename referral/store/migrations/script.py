"""Plain SQL for a migration: several statements in one message."""

from importlib import resources

from alembic import op
from sqlalchemy.util import await_only


def run_script(name: str) -> None:
    """Execute `migrations/versions/<name>.sql` on the migration's connection."""
    folder = resources.files("referral.store").joinpath("migrations", "versions")
    sql = folder.joinpath(f"{name}.sql").read_text("utf-8")
    # SQLAlchemy begins the transaction with the first statement that goes through it, and these do not.
    op.execute("SELECT")
    driver = op.get_bind().connection.driver_connection
    if driver is None or not driver.is_in_transaction():
        raise RuntimeError("no transaction to migrate in")
    await_only(driver.execute(sql))
