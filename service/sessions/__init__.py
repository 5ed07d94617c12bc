"""What a session is between two frames, and the store that keeps it."""
