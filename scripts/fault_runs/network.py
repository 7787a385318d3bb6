"""The network in which the clients of a run live."""

from datetime import UTC, datetime
from importlib import resources

from referral.actions.import_network import import_network
from referral.exchange.network_files import read_network
from referral.store.pool import Store


async def import_demo_network(store: Store) -> None:
    """That of the demo."""
    packed = resources.files("referral.exchange").joinpath("networks", "haiphong")
    with resources.as_file(packed) as files:
        await import_network(store, read_network(files), datetime.now(UTC))
