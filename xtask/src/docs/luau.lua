-- What Luau's libraries have and Lua 5.4's have not, and what a script sees of `os`.

---A build argument's value; never the environment of the machine that evaluates.
---@param name string
---@return string?
function os.getenv(name) end

---SOURCE_DATE_EPOCH, or 0; or the time of a table.
---@param t? table
---@return integer
function os.time(t) end

---A constant: evaluation does not depend on how long it takes.
---@return number
function os.clock() end

---@param format? string
---@param time? integer
---@return string|table
function os.date(format, time) end

---@param a integer
---@param b integer
---@return integer
function os.difftime(a, b) end

---The type's name, with names of their own for states, mounts and platforms.
---@param value any
---@return string
function typeof(value) end

---@generic T
---@param list T[]
---@param i? integer
---@param j? integer
---@return T ...
function unpack(list, i, j) end

---@param text string
---@param chunk? string
---@return function?
---@return string? message
function loadstring(text, chunk) end

---@param list any[]
---@param value any
---@param init? integer
---@return integer?
function table.find(list, value, init) end

---@param count integer
---@param value? any
---@return any[]
function table.create(count, value) end

---@param t table
function table.clear(t) end

---@generic T: table
---@param t T
---@return T
function table.clone(t) end

---@generic T: table
---@param t T
---@return T
function table.freeze(t) end

---@param t table
---@return boolean
function table.isfrozen(t) end

---@param t table
---@return number
function table.maxn(t) end

---@param text string
---@param separator? string
---@return string[]
function string.split(text, separator) end

---@param x number
---@param min number
---@param max number
---@return number
function math.clamp(x, min, max) end

---@param x number
---@return number
function math.round(x) end

---@param x number
---@return number
function math.sign(x) end

---@param x number
---@param y number
---@return number
function math.pow(x, y) end

---@param x number
---@return number
function math.log10(x) end

---@class bit32
bit32 = {}

---@param ... integer
---@return integer
function bit32.band(...) end

---@param ... integer
---@return integer
function bit32.bor(...) end

---@param ... integer
---@return integer
function bit32.bxor(...) end

---@param x integer
---@return integer
function bit32.bnot(x) end

---@param x integer
---@param by integer
---@return integer
function bit32.lshift(x, by) end

---@param x integer
---@param by integer
---@return integer
function bit32.rshift(x, by) end

---@param x integer
---@param by integer
---@return integer
function bit32.arshift(x, by) end

---@param x integer
---@param by integer
---@return integer
function bit32.lrotate(x, by) end

---@param x integer
---@param by integer
---@return integer
function bit32.rrotate(x, by) end

---@param ... integer
---@return boolean
function bit32.btest(...) end

---@param x integer
---@param field integer
---@param width? integer
---@return integer
function bit32.extract(x, field, width) end

---@param x integer
---@param value integer
---@param field integer
---@param width? integer
---@return integer
function bit32.replace(x, value, field, width) end
