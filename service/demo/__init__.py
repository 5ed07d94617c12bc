"""`python -m service.demo`: the service on a clip, over HTTP and over gRPC, checked and drawn."""
