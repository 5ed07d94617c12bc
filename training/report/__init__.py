"""PCK reports: JSON, Markdown and one self-contained HTML page."""
