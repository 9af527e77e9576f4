-- Swaps the record under one key. Returns 1 if the write is applied, else the current id and rec, or nil.
--
-- A record is a hash with a valid write id. Anything else under the key is foreign: it reads as absent
-- and is replaced.
--
-- An error must mean "not applied". So id and rec are written last: the first write is the one that
-- Redis refuses when its memory is full, and by then every command that needs a permission has run. The
-- expiry is relative, because a clock that is ahead would delete the record by an absolute one.
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
