# $version is Alpine's release.
mkdir -p etc usr/lib
echo "$version" > etc/alpine-release
cat > etc/os-release <<X
NAME="Alpine Linux"
ID=alpine
VERSION_ID=$version
PRETTY_NAME="Alpine Linux v${version%.*} (a test image of Luakit's)"
X
