-- Reads or swaps the record under one key. With the limit alone as its argument the script reads.
--
-- A read returns id and rec, or nil. A swap returns 1 if the write is applied, else what a read returns.
--
-- A record is a hash with a valid write id. Anything else under the key is foreign: it reads as absent
-- and is replaced. A rec that is longer than the limit is corrupt: its length is returned in its place,
-- so that nothing large is copied or sent.
--
-- An error must mean "not applied". So id and rec are written last: the first write is the one that
-- Redis refuses when its memory is full, and by then every command that needs a permission has run. The
-- expiry is relative, because a clock that is ahead would delete the record by an absolute one.
local key, limit = KEYS[1], tonumber(ARGV[1])
local expected, id, keep, rec = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local size = redis.pcall('HSTRLEN', key, 'rec')
local is_hash = type(size) == 'number'
if not is_hash and not string.find(size.err, 'WRONGTYPE', 1, true) then return size end
local held = is_hash and redis.call('HMGET', key, 'id', size <= limit and 'rec' or 'id')
if held and not (held[1] and #held[1] == 32 and not string.find(held[1], '[^0-9a-f]')) then
  held = false
end
if held and size > limit then held[2] = size end
if not expected then return held end
if held and held[1] == id then return 1 end
if (held and held[1] or '') ~= expected then return held end
-- Not DEL first: after a first write Redis refuses nothing more, even if its memory is full.
if is_hash then redis.call('HSET', key, 'keep', keep) end
if not held then
  redis.call('DEL', key)
  redis.call('HSET', key, 'keep', keep)
end
redis.call('PEXPIRE', key, keep)
redis.call('HSET', key, 'id', id, 'rec', rec)
return 1
