"""Calls of `deploy/compose-test.sh` to the running service, each with what must come back."""
