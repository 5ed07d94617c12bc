"""What a run did, written down while it runs: `run.json` in its folder. The weights' cards are made of it alone."""
