-- The same as `build.lua`, from a repository that is there:
--
--     luakit build local-server.lua --arg url=git://HOST/PROJECT --arg ref=v1.2.3 | luakit solve -o type=local,dest=out
--
-- The tests give it a server of their own, and a tag, a commit and a branch.
local url = bk.arg("url", nil, { required = true, description = "the repository" })
local ref = bk.arg("ref", "main", { description = "a commit, a tag or a branch" })

local repo = bk.git(url, { ref = ref })
local guide = bk.git(url, { ref = ref, subdir = "docs" })

bk.export(bk.scratch():copy(repo, ".", "/src"):copy(guide, ".", "/guide"))
