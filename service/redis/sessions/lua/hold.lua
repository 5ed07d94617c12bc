-- Replies a head.
if not ttl_ms then
  return gone()
end
local count = holds() + 1
touch(true)
redis.call('HSET', session, 'holds', count)
return head()
