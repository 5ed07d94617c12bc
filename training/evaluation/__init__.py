"""Whole videos through the tracker, and how often joints are found."""
