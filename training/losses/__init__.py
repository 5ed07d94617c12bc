"""What the network is trained to lessen, for pictures and for clips."""
