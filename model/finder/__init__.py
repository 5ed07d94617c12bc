"""Who is in a picture: MoveNet MultiPose finds people's boxes and rough joints."""
