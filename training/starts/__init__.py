"""Weights of others that a run starts from, in the shape that our networks have."""
