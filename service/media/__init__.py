"""Pictures and clips: from bytes to frames, and back to a clip with skeletons drawn."""
