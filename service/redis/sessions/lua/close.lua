-- Replies the last head.
if not ttl_ms then
  return gone()
end
local last = head()
redis.call('DEL', session, state_key)
redis.call('SET', mark, 'closed', 'PX', remember_ms)
return last
