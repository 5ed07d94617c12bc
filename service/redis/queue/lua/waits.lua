-- KEYS[1] stream; ARGV[1] entry. Replies {1} while it is there, {0} once it was answered or withdrawn.
return {#redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])}
