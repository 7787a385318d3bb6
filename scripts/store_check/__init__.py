"""Reads a whole store and lists everything in it that contradicts itself, or what clients were told."""
