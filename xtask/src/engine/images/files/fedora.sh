mkdir -p etc usr/bin
cat > etc/os-release <<X
NAME="Fedora Linux"
ID=fedora
VERSION_ID=39
PRETTY_NAME="Fedora Linux 39 (a test image of Luakit's)"
X
echo 'Fedora release 39 (a test image)' > etc/fedora-release
install -m 755 "$FILES/dnf" usr/bin/dnf
ln -s dnf usr/bin/microdnf
ln -s dnf usr/bin/yum
