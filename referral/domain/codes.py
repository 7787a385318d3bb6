"""Closed lists of codes that parties use; the same words as on the wire and in the tables."""

from enum import StrEnum


class Direction(StrEnum):
    """Which way a referral moves the patient between tiers."""

    UP = "up"
    DOWN = "down"
    LATERAL = "lateral"


class Priority(StrEnum):
    """Urgency, from low to high (http://hl7.org/fhir/R4/valueset-request-priority.html)."""

    ROUTINE = "routine"
    URGENT = "urgent"
    ASAP = "asap"
    STAT = "stat"

    @property
    def rank(self) -> int:
        """0 (routine) to 3 (stat). After submit a priority may only rise."""
        return tuple(Priority).index(self)


class Outcome(StrEnum):
    """How the patient is when care at the receiver ends."""

    CURED = "cured"
    IMPROVED = "improved"
    UNCHANGED = "unchanged"
    WORSE = "worse"
    DIED = "died"
    WENT_HOME_SEVERE = "went-home-severe"
    UNDETERMINED = "undetermined"


class Disposition(StrEnum):
    """Where the patient goes when care at the receiver ends."""

    DISCHARGED = "discharged"
    RETURNED_TO_REFERRER = "returned-to-referrer"
    MOVED_ON = "moved-on"
    LEFT_ON_REQUEST = "left-on-request"
    ABSCONDED = "absconded"
    DIED = "died"


class ReferralGround(StrEnum):
    """Why a patient is referred, in the words of the insurer's slip (Decision 4750/QD-BYT, table 13)."""

    MEETS_CONDITIONS = "meets-conditions"
    BEYOND_CAPABILITY = "beyond-capability"
    PATIENT_REQUEST = "patient-request"


class RejectReason(StrEnum):
    """Why a receiver does not take an offer."""

    NO_CAPACITY = "no-capacity"
    OUTSIDE_CAPABILITY = "outside-capability"
    INSUFFICIENT_INFORMATION = "insufficient-information"
    WRONG_LEVEL = "wrong-level"
    DUPLICATE = "duplicate"
    OTHER = "other"


class WithdrawReason(StrEnum):
    """Why an offer is withdrawn or a referral cancelled."""

    PATIENT_DIED = "patient-died"
    PATIENT_DECLINED = "patient-declined"
    PATIENT_CHOSE_ELSEWHERE = "patient-chose-elsewhere"
    IMPROVED = "improved"
    NO_TRANSPORT = "no-transport"
    NO_ANSWER = "no-answer"
    WRONG_TARGET = "wrong-target"
    TRANSFERRED_OUTSIDE_NETWORK = "transferred-outside-network"
    ENTERED_BY_MISTAKE = "entered-by-mistake"
    OTHER = "other"


class CloseReason(StrEnum):
    """How a sender closed a referral: its system said so, or read what came back."""

    EXPLICIT = "explicit"
    BY_READING = "by-reading"


class EndReason(StrEnum):
    """Why a referral ended by itself: the hub writes it, nobody says it."""

    SLIP_EXPIRED = "slip-expired"


class MissReason(StrEnum):
    """Why an expected patient is not there."""

    NOT_ARRIVED = "not-arrived"
    TURNED_BACK = "turned-back"
    UNREACHABLE = "unreachable"
    OTHER = "other"


class AccessScope(StrEnum):
    """What a row of the access table gives a facility.

    `owner`: its own record. `referral`: the request, its offers and their status.
    `package`: besides, the clinical documents that the referral names.
    """

    OWNER = "owner"
    REFERRAL = "referral"
    PACKAGE = "package"
