"""The KIMNet paper, run: its tables and figures by one command, at the scale of one CPU core or of a GPU."""
