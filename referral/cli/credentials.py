"""demo-credentials.json: a client and its key for every facility of the demo, kept from run to run."""

import json
import os
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from referral.actions.add_client import add_client, generate_keys, list_clients
from referral.cli.demo_system import Credential, Credentials
from referral.domain.actor import Client
from referral.domain.errors import Duplicate
from referral.domain.facility import FacilityId, NetworkId
from referral.store.network import load_directory
from referral.store.pool import Store

FILE = "demo-credentials.json"
SCOPE = "system/*.cruds"
OFFICE = "office"


async def give_credentials(store: Store, network: NetworkId, path: Path, base_url: str) -> Credentials:
    """Write `path` with a working client for every member of the network and for its office; returns it.

    Keys of an existing file stay while the store knows them. base_url: the address of the service.
    """
    kept = {entry["facility"]: entry for entry in _read(path)}
    clients = {client.id: client for client in await list_clients(store)}
    systems: list[Credential] = []
    for facility, name, tier in await _facilities(store, network):
        entry = kept.get(facility)
        if entry is None or not _works(entry, clients.get(entry["client_id"])):
            entry = await _register(store, facility)
        systems.append(
            Credential(
                client_id=entry["client_id"],
                facility=facility,
                name=name,
                tier=tier,
                scope=entry["scope"],
                private_jwk=entry["private_jwk"],
            )
        )
    credentials = Credentials(
        fhir_base=f"{base_url}/fhir",
        token_endpoint=f"{base_url}/oauth/token",
        systems=systems,
        people=[],
    )
    _write(path, json.dumps(credentials, ensure_ascii=False, indent=1))
    return credentials


async def _facilities(store: Store, network: NetworkId) -> list[tuple[FacilityId, str, str]]:
    """Id, name and tier of the members of today, and the office, whose id is the network's."""
    async with store.reading(None) as connection:
        directory = (await load_directory(connection)).directory()
    names = {facility.id: facility.name for facility in directory.facilities}
    today = datetime.now(UTC).date()
    members = [
        (member.facility, names[member.facility], member.tier.value)
        for member in directory.memberships
        if member.network == network and member.in_force(today)
    ]
    return [*members, (FacilityId(network), directory.network_names[network], OFFICE)]


async def _register(store: Store, facility: FacilityId) -> dict[str, Any]:
    """A new client. Its id says whose it is; where that one is taken (its key is lost), it is longer."""
    private, public = generate_keys()
    for client_id in (f"demo-{facility}", f"demo-{facility}-{secrets.token_hex(4)}"):
        try:
            client = await add_client(
                store,
                client_id=client_id,
                facility=facility,
                name=f"Demo system of {facility}",
                scope=SCOPE,
                jwks={"keys": [public]},
                now=datetime.now(UTC),
            )
        except Duplicate:
            continue
        return {"client_id": client.id, "scope": SCOPE, "private_jwk": private}
    raise Duplicate(f"Two clients of {facility} are there already; run it again.")


def _works(entry: Mapping[str, Any], client: Client | None) -> bool:
    """Whether the store knows this client, of this facility, by this key and scope."""
    if client is None or not client.active or client.facility != entry["facility"]:
        return False
    point = [(key.get("kid"), key.get("x"), key.get("y")) for key in client.keys]
    jwk = entry["private_jwk"]
    return str(client.scope) == entry["scope"] and (jwk.get("kid"), jwk.get("x"), jwk.get("y")) in point


def _read(path: Path) -> list[dict[str, Any]]:
    """The systems of an existing file; none of a file that is damaged, or of another form."""
    try:
        systems = json.loads(path.read_bytes())["systems"]
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return []
    keys = {"client_id": str, "facility": str, "scope": str, "private_jwk": dict}
    if not isinstance(systems, list):
        return []
    return [
        {name: entry[name] for name in keys}
        for entry in systems
        if isinstance(entry, dict) and all(isinstance(entry.get(name), kind) for name, kind in keys.items())
    ]


def _write(path: Path, text: str) -> None:
    """Replace the file whole; only its owner may read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(staging, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        staging.replace(path)
    except BaseException:
        staging.unlink(missing_ok=True)
        raise
