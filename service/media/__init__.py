"""Pictures and videos: decoding, times, orientation, the drawn skeleton."""
