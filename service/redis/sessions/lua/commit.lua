-- ARGV[3] epoch and ARGV[4] seq, as checked out; ARGV[5] token of this call, and of its state; ARGV[6] result; ARGV[7] pts or '';
-- ARGV[8] what becomes of the state: 'keep', 'drop', 'set' to ARGV[9], or 'move' from KEYS[4], where it was put just before;
-- ARGV[10] token of the write before, as checked out, or '' for any; ARGV[11] seq + 1: Lua's numbers lose digits.
-- Where the frame came through a stream, also KEYS[5] stream, ARGV[12] group, ARGV[13] entry, ARGV[14] channel to answer
-- on or '' for none (in a cluster a sharded one, in this slot), ARGV[15] what goes before the answer.
-- Replies {'ok'}, {'stale', next seq}, or {'nothing'} where there is nothing to move, for want of memory.
if not ttl_ms then
  return gone()
end
if epoch ~= ARGV[3] or seq ~= ARGV[4] or (ARGV[10] ~= '' and ARGV[10] ~= (token or '')) then
  -- Its own token: this very call, sent again because its reply was lost.
  redis.call('DEL', KEYS[4])
  return token == ARGV[5] and {'ok'} or {'stale', seq}
end

local function later(a, b)
  if a == '' or b == '' then
    return a .. b
  end
  local a_negative, b_negative = a:sub(1, 1) == '-', b:sub(1, 1) == '-'
  if a_negative ~= b_negative then
    return a_negative and b or a
  end
  local longer = #a > #b or (#a == #b and a > b)
  return longer ~= a_negative and a or b
end

-- A state makes room for the next one, so a session that has one goes on at the memory limit; the first state of
-- a session is refused there, before anything is written.
local held, kind = holds() > 0, ARGV[8]
local with_state = {}
if kind == 'keep' then
  touch(held)
elseif kind == 'move' then
  if redis.call('EXISTS', KEYS[4]) == 0 then
    return {'nothing'}
  end
  redis.call('RENAME', KEYS[4], state_key)
elseif state_id then
  redis.call('DEL', state_key)
  redis.call('HDEL', session, 'state_id')
end
if kind == 'set' or kind == 'move' then
  with_state = {'state_id', ARGV[5]}
end
redis.call('HSET', session, 'result', ARGV[6], 'result_seq', seq, 'token', ARGV[5], 'pts', later(pts or '', ARGV[7]),
  'seq', ARGV[11], unpack(with_state))
if kind == 'set' then
  redis.call('SET', state_key, ARGV[9])
end
if kind ~= 'keep' then
  touch(held)
end
if KEYS[5] then
  redis.call('XACK', KEYS[5], ARGV[12], ARGV[13])
  redis.call('XDEL', KEYS[5], ARGV[13])
  if ARGV[14] ~= '' then
    redis.call(ARGV[14]:find('{', 1, true) and 'SPUBLISH' or 'PUBLISH', ARGV[14], ARGV[15] .. ARGV[6])
  end
end
return {'ok'}
