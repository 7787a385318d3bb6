"""Expand for 0.3.0: every resource type, the indexes of every kind of search; 0.2.0 goes on working on it."""

from referral.store.migrations.script import run_script

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# In this order; each has its `_down`. "directory" and "functions" replace what 0001 and 0002 made.
_PARTS = ("search", "directory", "history", "blob", "audit", "functions")


def upgrade() -> None:
    """Add what 0.3.0 needs."""
    for part in _PARTS:
        run_script(f"r0004_{part}")


def downgrade() -> None:
    """Take it away again; what only 0.3.0 wrote there goes with it."""
    run_script("r0002_functions")
    run_script("r0001_directory", replacing=True)
    for part in reversed(_PARTS):
        run_script(f"r0004_{part}_down")
