#include <lua5.4/lua.hpp>
#include <memory>
#include <stdexcept>

#include "bench/inside/clock.h"
#include "bench/inside/workloads.h"

namespace coffer::bench {

namespace {

// What Lua programs spend their time with: calls, floating point, strings, tables, closures. run() gives one number
// that depends on all of it.
constexpr const char* kSuite = R"lua(
local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end

local function bodies()
  local list = {}
  for i = 1, 5 do
    list[i] = {x = i * 1.5, y = 4.0 / i, z = i % 3 - 1.0, vx = 0.01 * i, vy = 0.3 / i, vz = -0.02 * i, mass = 1.0 / i}
  end
  return list
end

local function advance(list, steps)
  for _ = 1, steps do
    for i = 1, #list do
      local a = list[i]
      for j = i + 1, #list do
        local b = list[j]
        local dx, dy, dz = a.x - b.x, a.y - b.y, a.z - b.z
        local squared = dx * dx + dy * dy + dz * dz
        local pull = 0.001 / (squared * math.sqrt(squared))
        a.vx = a.vx - dx * b.mass * pull; b.vx = b.vx + dx * a.mass * pull
        a.vy = a.vy - dy * b.mass * pull; b.vy = b.vy + dy * a.mass * pull
        a.vz = a.vz - dz * b.mass * pull; b.vz = b.vz + dz * a.mass * pull
      end
    end
    for _, a in ipairs(list) do
      a.x = a.x + 0.001 * a.vx; a.y = a.y + 0.001 * a.vy; a.z = a.z + 0.001 * a.vz
    end
  end
  return list[1].x + list[5].y
end

local function strings(count)
  local parts = {}
  for i = 1, count do parts[#parts + 1] = string.format("%d:%s", i, ("word"):rep(i % 5)) end
  local text = table.concat(parts, " ")
  local changed, hits = text:gsub("(%d+):(w)", "%2%1")
  local found = 0
  for word in changed:gmatch("%a+") do found = found + #word end
  return hits + found + #changed:upper():reverse()
end

local function sorting(count)
  local seed, list = 42, {}
  for i = 1, count do
    seed = (seed * 1103515245 + 12345) % 2147483648
    list[i] = seed
  end
  table.sort(list)
  table.sort(list, function(a, b) return a % 1000 < b % 1000 or (a % 1000 == b % 1000 and a < b) end)
  return list[1] + list[count]
end

local function closures(count)
  local function counter()
    local n = 0
    return function(step) n = n + step; return n end
  end
  local sum = 0
  for i = 1, count do
    local add = counter()
    add(i); sum = sum + add(1)
  end
  return sum
end

function run()
  return fib(24) + advance(bodies(), 10000) + strings(15000) + sorting(30000) + closures(150000)
end
)lua";

using State = std::unique_ptr<lua_State, decltype(&lua_close)>;

}  // namespace

Ticks lua_suite() {
  static const State state = [] {
    State made(luaL_newstate(), lua_close);
    if (!made) throw std::runtime_error("Lua does not start");
    luaL_openlibs(made.get());
    if (luaL_dostring(made.get(), kSuite) != LUA_OK) throw std::runtime_error(lua_tostring(made.get(), -1));
    return made;
  }();
  static double expected = 0;
  lua_State* const lua = state.get();
  const Ticks start = ticks_now();
  lua_getglobal(lua, "run");
  const int failed = lua_pcall(lua, 0, 1, 0);
  const Ticks end = ticks_now();
  if (failed != LUA_OK) throw std::runtime_error(lua_tostring(lua, -1));
  const double result = lua_tonumber(lua, -1);
  lua_pop(lua, 1);
  if (expected == 0) expected = result;
  if (result == 0 || result != expected) throw std::runtime_error("the Lua suite's result is wrong");
  return end - start;
}

}  // namespace coffer::bench
