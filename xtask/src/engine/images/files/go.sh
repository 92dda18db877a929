# Debian has Go in two folders that link to each other; the golang images in one.
mkdir -p usr/local go/bin go/src
chmod 1777 go go/bin go/src
cp -a usr/lib/go-1.19 usr/local/go
find usr/local/go -type l -delete
cp -a usr/share/go-1.19/. usr/local/go/
rm -rf usr/lib usr/share usr/bin usr/local/go/test var etc
# What building a program never reads, half of it all: the toolchain's own packages, tests and their data.
rm -rf usr/local/go/pkg/linux_*/cmd usr/local/go/src/cmd usr/local/go/api usr/local/go/misc
find usr/local/go/src -name testdata -prune -exec rm -rf {} +
find usr/local/go/src -name '*_test.go' -delete
# As `go version` has it.
version=$(sed -n '1s/^go//p' usr/local/go/VERSION)
echo "GOLANG_VERSION=$version" > "$ENV"
