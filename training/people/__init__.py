"""How several people are found and followed: scenes with truth, pictures with nobody in them, and their figures."""
