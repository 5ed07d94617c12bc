"""Backbones: pictures in, features out."""
