-- Replies a head and leaves the idle clock alone.
if not ttl_ms then
  return gone()
end
return head()
