# $version and $codename are Ubuntu's.
mkdir -p usr/lib
cat > usr/lib/os-release <<X
NAME="Ubuntu"
ID=ubuntu
ID_LIKE=debian
VERSION_ID="$version"
VERSION_CODENAME=$codename
PRETTY_NAME="Ubuntu $version (a test image of Luakit's)"
X
