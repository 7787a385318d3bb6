"""Expand for 0.4.0: every move, dated policy, the clocks, the way back; 0.3.0 goes on working on it."""

from referral.store.migrations.script import run_script

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

# In this order; each has its `_down`. "functions" replaces what 0004 made, and writes what all others have.
_PARTS: tuple[str, ...] = ("moves", "policy", "journey", "clocks", "ids", "together")


def upgrade() -> None:
    """Add what 0.4.0 needs."""
    for part in (*_PARTS, "functions"):
        run_script(f"r0005_{part}")


def downgrade() -> None:
    """Take it away again; what only 0.4.0 wrote there goes with it."""
    run_script("r0004_functions", replacing=True)
    for part in reversed(_PARTS):
        run_script(f"r0005_{part}_down")
