"""Plain SQL for a migration: several statements in one message."""

from importlib import resources

from alembic import op
from sqlalchemy.util import await_only


def run_script(name: str) -> None:
    """Execute `migrations/versions/<name>.sql` on the migration's connection."""
    folder = resources.files("referral.store").joinpath("migrations", "versions")
    sql = folder.joinpath(f"{name}.sql").read_text("utf-8")
    driver = op.get_bind().connection.driver_connection
    if driver is None:
        raise RuntimeError("no connection to migrate on")
    await_only(driver.execute(sql))
