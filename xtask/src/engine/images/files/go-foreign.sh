# What cross-compiling for amd64 needs and would otherwise compile under emulation; and no cgo: no compiler is here.
mkdir -p usr/local/go/pkg root/.config/go
chmod 700 root
echo CGO_ENABLED=0 > root/.config/go/env
for layer in $BESIDE; do cp -a "$layer/usr/local/go/pkg/linux_amd64" usr/local/go/pkg/; done
