"""Frames on their way from frontends to workers and answers on their way back, through Redis (ADR 8).

remote.py      a frontend's side: hands a frame over, waits for its answer
answers.py     what a frontend hears: its frames' answers
roster.py      which workers live, as frontends and workers know it; which shards are whose
inbox.py       a worker's side: reads its shards' streams, takes over what a dead worker left
station.py     a worker's loop: brings what it reads to its end, and answers
codec.py       frames and answers as bytes;  lua/  the scripts
"""
