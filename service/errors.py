"""The errors of the service: those that clients meet, and below them what stays inside."""

from kinepose_client.errors import *  # noqa: F403
from kinepose_client.errors import WorkerFailed


class DeviceLost(WorkerFailed):
    """The device is gone for good, and its worker ends; another worker can compute the frame."""
