"""The network in which the clients of a run live."""

from dataclasses import replace
from datetime import UTC, datetime
from importlib import resources

from referral.actions.import_network import import_network
from referral.domain.policy import Policy
from referral.exchange.network_files import read_network
from referral.store.pool import Store


async def import_demo_network(store: Store) -> None:
    """That of the demo, where silence also moves an offer along its sender's list."""
    packed = resources.files("referral.exchange").joinpath("networks", "haiphong")
    with resources.as_file(packed) as files:
        network = read_network(files)
    mapping = {**network.policy_mapping, "offers": {"auto_redirect": True}}
    network = replace(network, policy=Policy.from_stored(mapping), policy_mapping=mapping)
    await import_network(store, network, datetime.now(UTC))
