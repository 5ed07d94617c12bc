"""What a deployment of several processes shares.

client.py     the connection, its scripts, its failures as the errors that clients see
cluster.py    a client of many servers;  sentinel.py  of a master that may be another one tomorrow
channels.py   what is published, heard over every loss of connection
keys.py       every key's name;  codec.py  what is kept under them and published, as bytes
sessions/     the session store;  queue/  frames on their way to workers
"""
