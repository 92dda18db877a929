# Without a C compiler Go builds without cgo, as in the golang images on Alpine. This Go has to be told, and
# gets the standard library compiled that way.
mkdir -p root/.config/go
echo CGO_ENABLED=0 > root/.config/go/env
mount --rbind /dev dev
mount -t proc proc proc
chroot . /usr/bin/env -i PATH=/usr/local/go/bin:/bin:/usr/bin HOME=/root GOCACHE=/tmp/cache GOPATH=/tmp/go \
    sh -ec 'go install $(go list -deps net/http)'
rm -rf tmp/cache tmp/go
