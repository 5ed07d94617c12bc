"""Stubs for proto/kinepose/v1/pose.proto, from `python -m service.pb.generate` and checked by `make lint`."""
