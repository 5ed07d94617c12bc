"""What clients and servers say to each other: values, their wire forms, errors as they travel."""
