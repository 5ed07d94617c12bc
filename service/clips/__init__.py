"""Whole clips: each is a session whose frames come from a file."""
