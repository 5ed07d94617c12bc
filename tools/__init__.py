"""Programs for those who work on Kinepose; nothing imports them."""
