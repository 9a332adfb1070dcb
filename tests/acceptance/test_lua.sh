# Lua, built from Debian's sources: the language and its libraries, files included, say the same inside and outside.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
debian_program lua
sign_with_work lua 256M </dev/null
mkdir work
cat >work/suite.lua <<'LUA'
local work = ...
local checks = 0
local function say(...)
  checks = checks + 1
  print(checks, ...)
end
-- Numbers: both kinds, overflow, formats, bits.
say(7 // 2, -7 // 2, 7 % -3, -7 % 3, 7.5 // 2, 2 ^ 0.5, 10 / 2, 3 | 4, ~5, 1 << 62, 1 << 64, "10" + 5, "0x10" * 1)
say(math.maxinteger + 1 == math.mininteger, math.tointeger(3.0), math.tointeger(3.5), math.type(1), math.type(1.0), math.ult(1, -1))
say(string.format("%5d|%-5d|%05.1f|%g|%e|%x|%a|%q|%q", 42, 42, 3.14159, 1e100, 12345.678, 255, 0.5, "a\n\"b\0c", 1 / 3))
for _, f in ipairs { "sin", "cos", "tan", "asin", "exp", "log", "sqrt", "floor", "ceil", "abs" } do say(f, math[f](0.7)) end
say(pcall(function() return 1 // 0 end), 1 // 0.0, -1 // 0.0, 0 / 0 ~= 0 / 0, math.fmod(-7, 3), tostring(1e15), 2 ^ 53)
-- Strings and patterns.
say(("x"):rep(5, "-"), ("hello"):sub(-3, -2), ("hello"):byte(1, -1), string.char(72, 105), ("abc"):reverse():upper())
say(("key = value  # note"):match("^(%w+)%s*=%s*(%w+)"), ("f(a(b)c)d"):match("%b()"), ("THE (quick) fox"):find("%((%a+)%)"))
say(("hello world"):gsub("o", { o = "0" }), ("abc"):gsub("%w", "%0%0"), ("x y z"):gsub("%w", function(c) return c ~= "y" and c:upper() end))
for k, v in ("a=1, b=2, c=3"):gmatch("(%w+)=(%w+)") do say(k, v) end
say(string.pack("<i4 >I2 z s1 d", -2, 513, "zero", "len", 0.1):byte(1, -1))
say(string.unpack("<i4 >I2 z s1", string.pack("<i4 >I2 z s1", -2, 513, "zero", "len")))
say(utf8.char(228, 8364, 128512), utf8.len("ä€😀"), utf8.codepoint("ä€😀", 1, -1), #utf8.charpattern, utf8.len("\xff"))
-- Tables, metatables, closures, goto, varargs, integer division of labour.
local seed = 42
local function random(n) seed = (seed * 1103515245 + 12345) % 2147483648; return seed % n end
local numbers = {}
for i = 1, 20000 do numbers[i] = random(1000000) end
table.sort(numbers)
local sum = 0
for i = 2, #numbers do assert(numbers[i - 1] <= numbers[i]); sum = (sum * 31 + numbers[i]) % 1000000007 end
say(sum, table.concat({ 1, 2, 3 }, "-"), table.unpack({ 1, 2, nil, 4 }, 1, 4), select("#", nil, nil), #table.pack(1, nil, 3))
table.sort(numbers, function(a, b) return a > b end)
say(numbers[1], table.remove(numbers), table.move({ 1, 2, 3 }, 1, 3, 2)[3])
local vector = {}
vector.__index, vector.__name = vector, "vector"
vector.__add = function(a, b) return setmetatable({ x = a.x + b.x }, vector) end
vector.__eq = function(a, b) return a.x == b.x end
vector.__lt = function(a, b) return a.x < b.x end
vector.__le = function(a, b) return a.x <= b.x end
vector.__call = function(self, y) return self.x * y end
vector.__tostring = function(self) return "v" .. self.x end
vector.__concat = function(a, b) return tostring(a) .. "&" .. tostring(b) end
vector.__len = function() return 99 end
vector.__close = function(self) say("closed", self.x) end
local a, b = setmetatable({ x = 1 }, vector), setmetatable({ x = 2 }, vector)
say(tostring(a + b), a == b, a < b, a <= b, a(10), a .. b, #a, rawlen(a), rawequal(a, a))
do local guard <close> = b; local fixed <const> = 5; say(fixed) end
local counters = {}
for i = 1, 3 do local n = 0; counters[i] = function() n = n + i; return n end end
say(counters[1](), counters[3](), counters[3](), counters[2]())
for i = 1, 3 do for j = 1, 3 do if j == 2 then goto continue end; say(i, j); ::continue:: end end
-- Coroutines and errors.
local function primes(n) return coroutine.wrap(function() for i = 2, n do local p = true; for j = 2, i - 1 do if i % j == 0 then p = false; break end end; if p then coroutine.yield(i) end end end) end
local list = {}
for p in primes(100) do list[#list + 1] = p end
say(table.concat(list, " "))
local co = coroutine.create(function(x) local y = coroutine.yield(x * 2); error({ code = y }) end)
say(coroutine.resume(co, 21)); local _, problem = coroutine.resume(co, 7); say(problem.code, coroutine.status(co))
say(pcall(error, "message", 0), select(2, pcall(function() local t = nil; return t.x end)), select(2, pcall(load, nil)))
say(xpcall(function() error("deep") end, function(m) return "handled " .. m end))
say(select(2, pcall(function() local function f() return f() + 1 end; return f() end)):match("stack overflow"))
say(load("return 1 +")) say(load("return ...", "chunk", "t", {})(5)) say(load(string.dump(function(x) return x * 2 end))(21))
-- Garbage: weak tables, finalisers, memory that comes and goes.
local weak, finished = setmetatable({}, { __mode = "v" }), 0
for i = 1, 100 do weak[i] = setmetatable({}, { __gc = function() finished = finished + 1 end }) end
collectgarbage() collectgarbage()
say(#weak, finished, collectgarbage("count") < 20000)
for round = 1, 20 do local t = {}; for i = 1, 20000 do t[i] = { i, tostring(i) } end end
collectgarbage() collectgarbage("generational") collectgarbage("incremental")
-- Files.
local name = work .. "/file"
local file = assert(io.open(name, "w"))
for i = 1, 5000 do file:write(i, " ", i * 0.5, "\n") end
say(file:seek("cur"), file:close())
local lines, total = 0, 0
for i, half in io.lines(name, "n", "n") do lines, total = lines + 1, total + i + half end
say(lines, total)
file = assert(io.open(name, "r+b")) file:seek("set", 10) file:write("OVER") file:seek("set", 0) say(file:read(20), file:read("l"), file:read("L"))
file:seek("end", -6) say(file:read("a"), file:read("a"), file:read("l")) file:close()
say(io.open(work .. "/absent")) say(os.rename(name, work .. "/moved")) say(os.remove(name)) say(pcall(io.lines, name))
say(io.type(file), io.type(io.stdout), os.getenv("HOME_OF_NOBODY"), type(os.time()), os.time { year = 2026, month = 11, day = 22, hour = 12 } - os.time { year = 2026, month = 11, day = 21, hour = 12 })
say(os.date("!%Y-%m-%d %H:%M:%S", 1000000000), os.date("!*t", 86400).yday, os.clock() >= 0, io.popen and not pcall(io.popen, nil))
for line in io.lines() do say("input", line) end
io.stderr:write("to stderr\n")
os.exit(checks % 200, true)
LUA
status=0
printf 'one\ntwo\n' | ./lua "$work/suite.lua" "$work" >outside.txt 2>outside.err || status=$?
sha256sum work/moved >outside.sum
rm work/moved
echo "status $status" >>outside.txt
status=0
printf 'one\ntwo\n' | "$COFFER" run --quiet --counters counters.json lua.enclave --mount "$work:$work" -- "$work/suite.lua" "$work" \
  >inside.txt 2>inside.err || status=$?
echo "status $status" >>inside.txt
diff outside.txt inside.txt || fail 'not the same'
cmp outside.err inside.err || fail "stderr: $(cat inside.err)"
sha256sum -c outside.sum >/dev/null || fail 'the file that it wrote is another'
(($(wc -l <inside.txt) > 58)) || fail "the suite stopped early: $(tail -n 3 inside.txt)"
expect_past_the_trap counters.json
