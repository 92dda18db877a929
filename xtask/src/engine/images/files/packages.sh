# Node and npm, which are no packages of Debian's, as one more archive.
unpack "$here/bundle" libc6 libgcc-s1 libstdc++6
cp -a "$BESIDE/usr" "$BESIDE/var" "$here/bundle/"
rm "$here/bundle/usr/local/bin/docker-entrypoint.sh"
pack "$here/bundle" | gzip -n -1 > nodejs.tar.gz
rm -rf "$here/bundle"
