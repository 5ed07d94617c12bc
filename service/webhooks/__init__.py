"""Messages to other servers that a clip job has finished, signed by the Standard Webhooks scheme."""
