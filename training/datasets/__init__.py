"""Readers of the official dataset layouts."""
