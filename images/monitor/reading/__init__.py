"""What the shared volume says, read without trusting it. Nothing here knows Flask."""
