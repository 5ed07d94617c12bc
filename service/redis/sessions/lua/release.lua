-- Replies {'ok'}, whether there was a hold or not.
if ttl_ms then
  local count = holds()
  if count > 0 then
    touch(count > 1)
    redis.call('HSET', session, 'holds', count - 1)
  end
end
return {'ok'}
