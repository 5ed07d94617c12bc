"""Sessions in Redis, so that every process continues every session (ADR 6).

store.py   RedisSessions: the operations of a session, one Lua script each; states that this process has at hand
index.py   how many sessions there are, over all processes;  lua/  the scripts
"""
