
return table.freeze(setmetatable(prelude, {
	__index = function(_, name)
		if type(name) ~= "string" then
			fail(`prelude can't be indexed with {type_name(name)}`)
		end
		fail(`prelude has no \`{name}\`{instead(name, sorted_keys(prelude), "it has")}`, "field", name)
	end,
	__newindex = function(_, name)
		fail(`can't set \`{tostring(name)}\`: prelude is read-only`)
	end,
}))
