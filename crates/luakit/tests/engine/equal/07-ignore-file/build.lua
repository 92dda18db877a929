local context = bk.local_("context")
bk.export(bk.scratch():copy(context, ".", "/all/"):copy(context, "src", "/src"), { cmd = { "nothing" } })
