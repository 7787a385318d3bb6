"""Contract for 0.2.0: row-level security on the clinical tables; 0.1.0 no longer runs on it."""

from referral.store.migrations.script import run_script

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Put up the wall, and take the service's own rights to write clinical rows."""
    run_script("r0003_wall_up")


def downgrade() -> None:
    """Take it down again."""
    run_script("r0003_wall_down")
