"""What a deployment of several processes shares.

client.py     the connection, its scripts, its failures as the errors that clients see
keys.py       every key's name;  codec.py  what is kept under them and published, as bytes
sessions/     the session store;  queue/  frames on their way to workers
"""
