"""Two-way referral between stations and hospitals of a network, over FHIR R4."""

__version__ = "0.2.0"
