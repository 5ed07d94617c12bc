-- KEYS[1] stream; ARGV[1] group, ARGV[2] ms. Strikes out consumers that were not heard of for so long and hold no frame.
local gone = 0
for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
  local fields = {}
  for at = 1, #consumer, 2 do
    fields[consumer[at]] = consumer[at + 1]
  end
  if fields['pending'] == 0 and fields['idle'] > tonumber(ARGV[2]) then
    redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], fields['name'])
    gone = gone + 1
  end
end
return {gone}
