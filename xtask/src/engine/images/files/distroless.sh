# Certificates, time zones, users: no shell, no libc.
rm -rf usr/share/ca-certificates usr/share/base-files usr/share/common-licenses usr/sbin usr/share/zoneinfo/right \
    etc/update-motd.d etc/profile.d etc/dpkg etc/ca-certificates etc/default usr/lib/dpkg var/backups var/lib etc/ssl/cert.pem
mkdir -p tmp var/tmp root home/nonroot
chmod 1777 tmp var/tmp
chmod 700 root home/nonroot
chown 65532:65532 home/nonroot
cat > etc/passwd <<'X'
root:x:0:0:root:/root:/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin
nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin
X
cat > etc/group <<'X'
root:x:0:
nobody:x:65534:
tty:x:5:
staff:x:50:
nonroot:x:65532:
X
