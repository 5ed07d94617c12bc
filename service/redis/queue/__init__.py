"""Frames on their way from frontends to workers and answers on their way back, through Redis (ADR 8).

executor.py        a frontend's side: hands a frame over, hears its answer
consumer_group.py  which workers live and which shards are whose; a worker reads its streams, takes over from the dead
consumer.py        a worker's loop: brings what it reads to its end, and answers;  lua/  the scripts
"""
