-- ARGV[3] seq; ARGV[4] state_id of the state that the caller has, or ''.
-- Replies {'order', next seq} or {'ok', epoch, next seq, token, meta, result, state_id, state}: the result where the
-- frame is the last one sent again; the state unless the caller has it. What is left out is ''.
if not ttl_ms then
  return gone()
end
local meta, result_seq = unpack(redis.call('HMGET', session, 'meta', 'result_seq'))
if ARGV[3] ~= seq and ARGV[3] ~= result_seq then
  return {'order', seq}
end
if holds() > 0 then
  touch(true)
end
local result, state = '', ''
if ARGV[3] == result_seq then
  result = redis.call('HGET', session, 'result')
end
if state_id and state_id ~= ARGV[4] then
  state = redis.call('GET', state_key)
  if not state then
    state, state_id = '', ''
  end
end
return {'ok', epoch, seq, token or '', meta, result, state_id or '', state}
