"""Augmented samples: pictures and sequences, drawn by number."""
