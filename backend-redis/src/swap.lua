-- The swap of funcify, on its one key. Answers 1 if it is done, else what is there: id and rec, or nothing.
--
-- A record counts as there only as a hash with a write id. Anything else under the key is foreign,
-- reads as absent, and is replaced whole.
--
-- An error means "not applied", so the content comes last: the first write is the one that Redis
-- refuses when its memory is full, and by then every right has been needed once. The expiry is
-- relative, because a clock that is ahead would delete by an absolute one.
local key, expected, id, keep, rec = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local kind = redis.call('TYPE', key).ok
local held = kind == 'hash' and redis.call('HMGET', key, 'id', 'rec')
if held and not (held[1] and #held[1] == 32 and not string.find(held[1], '[^0-9a-f]')) then
  held = false
end
if held and held[1] == id then return 1 end
if (held and held[1] or '') ~= expected then return held end
if kind ~= 'none' and not held then redis.call('DEL', key) end
redis.call('HSET', key, 'keep', keep)
redis.call('PEXPIRE', key, keep)
redis.call('HSET', key, 'id', id, 'rec', rec)
return 1
