-- Good: Specific commit
local repo = bk.git("https://github.com/user/project.git", {
    ref = "a1b2c3d4e5f6..."
})

bk.export(bk.scratch():copy(repo, ".", "/src"), { name = "commit" })

-- Good: Specific tag
local repo = bk.git("https://github.com/user/project.git", {
    ref = "v1.2.3"
})

bk.export(bk.scratch():copy(repo, ".", "/src"))

-- Bad: Branch
local repo = bk.git("https://github.com/user/project.git", {
    ref = "main"
})

bk.export(bk.scratch():copy(repo, ".", "/src"), { name = "branch" })
