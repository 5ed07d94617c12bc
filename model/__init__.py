"""KIMNet in pure torch and numpy: values, coordinates, network, tracker, engines and the model zoo."""
