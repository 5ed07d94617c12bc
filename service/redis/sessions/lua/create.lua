-- ARGV[3] epoch, ARGV[4] meta, ARGV[5] ttl_ms. Replies {'ok'} or {'used'}.
if epoch then
  -- The same epoch: this very call, sent again because its reply was lost.
  return {epoch == ARGV[3] and 'ok' or 'used'}
end
ttl_ms = tonumber(ARGV[5])
redis.call('HSET', session, 'epoch', ARGV[3], 'seq', '0', 'meta', ARGV[4], 'ttl_ms', ARGV[5], 'holds', '0')
redis.call('SET', mark, 'expired')
touch(false)
return {'ok'}
