"""What comes in and goes out as files: typed drafts, or every fault with its place."""
