"""Measuring the service: what it adds to a frame inside one process (`overhead`), and how it bears a load from outside.

The load is open-loop: every frame has a time at which it is due, whatever became of the frames before it.
"""
