#!/bin/sh
echo "$GREETING from $(id -un) in $PWD, by $PATH"
