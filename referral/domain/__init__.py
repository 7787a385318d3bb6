"""The rules of two-way referral: standard library only, no clock, no I/O."""
