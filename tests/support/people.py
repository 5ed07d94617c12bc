"""People as answers tell of them."""

from model.values import Person, Pose, Region, RegionSource

BOX = Region(10, 20, 60, 90)


def person(pose: Pose, track_id: int = 1, region: Region = BOX, source: RegionSource = RegionSource.TRACKED) -> Person:
    """Somebody with these joints, surely there."""
    return Person(track_id, 1.0, region, source, pose)
