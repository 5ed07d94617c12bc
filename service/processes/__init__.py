"""The processes of a deployment, and what each is made of."""
