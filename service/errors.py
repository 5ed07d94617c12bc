"""The errors of the service: those that clients meet, and below them what stays inside."""

from kinepose_client.errors import *  # noqa: F403
from kinepose_client.errors import StoreUnavailable, WorkerFailed


class DeviceLost(WorkerFailed):
    """The device is gone for good, and its worker ends; another worker can compute the frame."""


class NotReplicated(StoreUnavailable):
    """It was written, and too few replicas have it yet to say so."""
