"""Stubs for proto/kinepose/v1, made by `make proto` and checked by `make lint`."""
