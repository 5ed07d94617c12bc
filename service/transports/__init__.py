"""HTTP, WebSocket and gRPC: parse at the edge, call the pipeline, answer. No logic of their own."""
