#!/bin/bash
for platform in linux/amd64 linux/arm64; do
    luakit build build.lua | luakit solve \
        --no-frontend \
        --local context=. \
        --platform $platform \
        -t myapp:$platform &
done
wait
