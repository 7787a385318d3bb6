"""Plain SQL for a migration: several statements in one message."""

from importlib import resources

import asyncpg
from alembic import op
from sqlalchemy.util import await_only

LOCK_WAIT = "700ms"
"""How long a migration waits for the tables, and everybody behind it: less than deadlock_timeout. So whoever
meets one half way waits until it gives way, and is never ended as the victim of a deadlock."""

# A command touches `offer` first: who has that has waited for all commands, and keeps none from its end.
_TAKE_ALL_TABLES = """
DO $$
DECLARE
  tables text;
BEGIN
  SELECT string_agg(format('%I', relname), ', ' ORDER BY relname <> 'offer', relname) INTO tables
  FROM pg_class
  WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
    AND relname <> 'schema_revision' AND pg_has_role(relowner, 'USAGE');  -- others' tables are none of ours
  IF tables IS NOT NULL THEN
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', tables);
  END IF;
END $$
"""


def run_script(name: str, *, replacing: bool = False) -> None:
    """Execute `migrations/versions/<name>.sql` on the migration's connection, alone with all tables.

    replacing: its functions take the place of those of the same name.
    Raises asyncpg's LockNotAvailableError when others keep the tables in use.
    """
    folder = resources.files("referral.store").joinpath("migrations", "versions")
    sql = folder.joinpath(f"{name}.sql").read_text("utf-8")
    if replacing:
        sql = sql.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")
    # SQLAlchemy begins the transaction with the first statement that goes through it, and these do not.
    op.execute("SELECT")
    driver = op.get_bind().connection.driver_connection
    if driver is None or not driver.is_in_transaction():
        raise RuntimeError("no transaction to migrate in")
    await_only(driver.execute(f"SET LOCAL statement_timeout = '{LOCK_WAIT}'"))
    try:
        await_only(driver.execute(_TAKE_ALL_TABLES))
    except asyncpg.QueryCanceledError as failure:
        raise asyncpg.exceptions.LockNotAvailableError("others keep the tables in use") from failure
    await_only(driver.execute("SET LOCAL statement_timeout TO DEFAULT"))
    await_only(driver.execute(sql))
