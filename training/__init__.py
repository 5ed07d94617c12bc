"""Training, evaluation and export of the models; nothing here is needed to serve them."""
