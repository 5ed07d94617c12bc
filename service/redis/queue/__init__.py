"""Frames on their way from frontends to workers and answers on their way back, through Redis (ADR 8).

executor.py        a frontend's side: hands a frame over, waits for its answer
replies.py         what a frontend hears: its frames' answers
membership.py      which workers live, as frontends and workers know it; which shards are whose
consumer_group.py  a worker's side: reads its shards' streams, takes over what a dead worker left
consumer.py        a worker's loop: brings what it reads to its end, and answers
codec.py           frames and answers as bytes;  lua/  the scripts
"""
