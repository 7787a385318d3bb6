"""What leaves by itself: what is due at its time."""
