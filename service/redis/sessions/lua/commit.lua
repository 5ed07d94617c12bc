-- ARGV[3] epoch and ARGV[4] seq, as checked out; ARGV[5] token of this call, and of its state; ARGV[6] result; ARGV[7] pts or '';
-- ARGV[8] what becomes of the state: 'keep', 'drop' or 'set'; ARGV[9] the new one; ARGV[10] token of the write before, as
-- checked out, or '' for any; ARGV[11] seq + 1: Lua's numbers lose digits.
-- Where the frame came through a stream, also KEYS[3] stream, ARGV[12] group, ARGV[13] entry, ARGV[14] channel to answer
-- on or '' for none (in a cluster a sharded one, in this slot), ARGV[15] what goes before the answer.
-- Replies {'ok'} or {'stale', next seq}.
if not ttl_ms then
  return gone()
end
if epoch ~= ARGV[3] or seq ~= ARGV[4] or (ARGV[10] ~= '' and ARGV[10] ~= (token or '')) then
  -- Its own token: this very call, sent again because its reply was lost.
  if token == ARGV[5] then
    return {'ok'}
  end
  return {'stale', seq}
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
local held = holds() > 0
local keep, with_state = ARGV[8] == 'keep', {}
if keep then
  touch(held)
elseif state_id then
  redis.call('HDEL', session, 'state', 'state_id')
end
if ARGV[8] == 'set' then
  with_state = {'state', ARGV[9], 'state_id', ARGV[5]}
end
redis.call('HSET', session, 'result', ARGV[6], 'result_seq', seq, 'token', ARGV[5], 'pts', later(pts or '', ARGV[7]),
  'seq', ARGV[11], unpack(with_state))
if not keep then
  touch(held)
end
if KEYS[3] then
  redis.call('XACK', KEYS[3], ARGV[12], ARGV[13])
  redis.call('XDEL', KEYS[3], ARGV[13])
  if ARGV[14] ~= '' then
    redis.call(ARGV[14]:find('{', 1, true) and 'SPUBLISH' or 'PUBLISH', ARGV[14], ARGV[15] .. ARGV[6])
  end
end
return {'ok'}
