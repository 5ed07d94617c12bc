"""A frame's path from its admission to its end, whatever the transport and wherever it is computed."""
