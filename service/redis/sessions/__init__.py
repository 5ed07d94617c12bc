"""Sessions in Redis, so that every process continues every session (ADR 6).

store.py        RedisSessions: the operations of a session, one Lua script each
index.py        how many sessions there are, over all processes
state_cache.py  states that this process committed last, so that they need not be read back
codec.py        metadata and answers as bytes;  keys.py  every key's name;  lua/  the scripts
"""
