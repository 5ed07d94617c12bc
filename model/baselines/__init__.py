"""What the paper compares KIMNet with: other ways to use the frames before, one idea a file, on the same features."""
