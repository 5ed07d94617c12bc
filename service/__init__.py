"""The service: transports, pipeline, batching and sessions around the models."""
