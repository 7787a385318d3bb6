"""What every route works with, given once by the composition root."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from referral.actions.close_by_reading import SummaryReads
from referral.actions.keep_audit import AuditTrail
from referral.actions.new_id import new_id
from referral.actions.referral_rules import RulesOf, rules_in
from referral.actions.watch_offers import OffersHolder
from referral.api.meters import Meters
from referral.api.token_cache import TokenCache
from referral.domain.attachment import AttachmentRules
from referral.network.snapshot import SnapshotHolder
from referral.store.pool import Store
from referral.store.version_cache import VersionCache

if TYPE_CHECKING:
    from starlette.requests import Request

LARGEST_BODY = 5 * 1024 * 1024
"""Bytes of a request body that the service reads."""

_ATTACHING_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class Services:
    """`app.state.services`. `base_url` has no slash at its end; `now` gives the time with its zone.

    snapshots holds the network's graph; offers how many wait; versions what documents held; meters what the
    process counts of itself; audit the records that are not yet written; reads what senders read of what came
    back; attachments what may be attached; attaching lets some at a time go to the database: there and on the
    way, each stands in memory whole.
    """

    store: Store
    base_url: str
    now: Callable[[], datetime]
    snapshots: SnapshotHolder = field(default_factory=SnapshotHolder)
    offers: OffersHolder = field(default_factory=OffersHolder)
    tokens: TokenCache = field(default_factory=TokenCache)
    versions: VersionCache = field(default_factory=VersionCache)
    meters: Meters = field(default_factory=Meters)
    audit: AuditTrail = field(default_factory=AuditTrail)
    reads: SummaryReads = field(default_factory=SummaryReads)
    attachments: AttachmentRules = field(default_factory=AttachmentRules)
    attaching: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_ATTACHING_AT_ONCE))

    def new_id(self) -> str:
        """A new resource id."""
        return new_id(self.now())

    @property
    def rules(self) -> RulesOf:
        """Gives the policy and the calendar of a referral, as the process knows them now."""
        return rules_in(self.snapshots)

    @property
    def fhir_base(self) -> str:
        """Address of the FHIR endpoint."""
        return f"{self.base_url}/fhir"


def services_of(request: "Request") -> Services:
    """The services of the application that answers a request."""
    found: Services = request.app.state.services
    return found
