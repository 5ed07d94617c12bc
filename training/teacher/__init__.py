"""Pseudo-labels: what a published pose network says of pictures whose own labels are noisy."""
