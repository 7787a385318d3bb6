"""Expand for 0.2.0: the chain of the audit, kept answers, worklists by index; 0.1.0 goes on working on it."""

from referral.store.migrations.script import run_script

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# In this order; each has its `_down`.
_PARTS = ("schema", "audit", "reading", "replay", "functions")


def upgrade() -> None:
    """Add what 0.2.0 needs."""
    for part in _PARTS:
        run_script(f"r0002_{part}")


def downgrade() -> None:
    """Take it away again; what only 0.2.0 wrote there goes with it."""
    # The functions of 0001 again, with the rights that they had.
    run_script("r0001_functions", replacing=True)
    for part in reversed(_PARTS[:-1]):
        run_script(f"r0002_{part}_down")
    run_script("r0002_functions_down")
