"""Documents, index tables, referrals and offers, events, access, the network, clients; two roles."""

from referral.store.migrations.script import run_script

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create everything."""
    run_script("r0001_up")
    run_script("r0001_directory")
    run_script("r0001_functions")


def downgrade() -> None:
    """Drop everything but the roles, which other databases of the cluster may use."""
    run_script("r0001_down")
