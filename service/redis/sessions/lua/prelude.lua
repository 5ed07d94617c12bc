-- Goes before every script of a session.
--
-- KEYS[1]  session: hash of epoch, seq, ttl_ms, holds, meta; pts, token, result, result_seq, state_id
-- KEYS[2]  mark: 'expired' or 'closed', outlives the session
-- KEYS[3]  state: of state_id; a key of its own, so that a new one gets there by RENAME and not through Lua
-- ARGV[1]  how long a hold lasts that nobody renews, ms
-- ARGV[2]  how long the mark outlives the session, ms
--
-- Epochs, seqs and pts are compared as the decimal text that they came as: Lua's numbers lose digits above 2^53.
--
-- At its memory limit Redis refuses a write that may take memory only where it is a script's first. A script
-- that must go on then begins with a write that takes none (PEXPIRE, RENAME, DEL).
local session, mark, state_key = KEYS[1], KEYS[2], KEYS[3]
local lease_ms, remember_ms = tonumber(ARGV[1]), tonumber(ARGV[2])
-- In one call, since each costs a microsecond or two: what most scripts ask for.
local found = redis.call('HMGET', session, 'ttl_ms', 'holds', 'epoch', 'seq', 'pts', 'token', 'state_id')
local ttl_ms, holds_counted, epoch, seq, pts, token, state_id = tonumber(found[1]), tonumber(found[2]), unpack(found, 3, 7)

local function gone()
  return {'gone', redis.call('GET', mark) or ''}
end

-- A held session lives for lease_ms + ttl_ms from its last touch. Once no more than ttl_ms is left, the lease has
-- run out: whoever held it is gone, and it has been on the idle clock since.
local function holds()
  if holds_counted > 0 and redis.call('PTTL', session) <= ttl_ms then
    return 0
  end
  return holds_counted
end

local function touch(held)
  local left_ms = held and ttl_ms + lease_ms or ttl_ms
  redis.call('PEXPIRE', session, left_ms)
  redis.call('PEXPIRE', state_key, left_ms)
  redis.call('PEXPIRE', mark, left_ms + remember_ms)
end

local function head()
  return {'ok', seq, pts or '', redis.call('HGET', session, 'meta'), redis.call('PTTL', session)}
end
