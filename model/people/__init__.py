"""Several people in one session: who is who from frame to frame, who is new, who is gone."""
