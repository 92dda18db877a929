# A root of busybox alone, laid out as Alpine's is.
mkdir -p bin dev etc home lib/apk media mnt opt proc root run sbin srv sys tmp usr/bin usr/lib usr/local/bin \
    usr/local/lib usr/local/share usr/sbin usr/share var/cache var/lib var/log var/tmp
chmod 700 root
chmod 1777 tmp var/tmp
for applet in $("$TOOLS/bin/busybox" --list); do
    case $applet in busybox | dpkg | dpkg-deb | rpm | rpm2cpio) continue ;; esac
    ln -sf /bin/busybox "bin/$applet"
done
for applet in awk cut dirname env find head id install printf realpath seq sort tail tr wc which xargs; do
    ln -sf /bin/busybox "usr/bin/$applet"
    rm -f "bin/$applet"
done
install -m 755 "$FILES/adduser" "$FILES/addgroup" usr/sbin/
install -m 755 "$FILES/apk" sbin/apk
rm -rf usr/share/initramfs-tools

cat > etc/passwd <<'X'
root:x:0:0:root:/root:/bin/ash
bin:x:1:1:bin:/bin:/sbin/nologin
daemon:x:2:2:daemon:/sbin:/sbin/nologin
lp:x:4:7:lp:/var/spool/lpd:/sbin/nologin
sync:x:5:0:sync:/sbin:/bin/sync
mail:x:8:12:mail:/var/mail:/sbin/nologin
operator:x:11:0:operator:/root:/sbin/nologin
man:x:13:15:man:/usr/man:/sbin/nologin
cron:x:16:16:cron:/var/spool/cron:/sbin/nologin
ftp:x:21:21::/var/lib/ftp:/sbin/nologin
sshd:x:22:22:sshd:/dev/null:/sbin/nologin
games:x:35:35:games:/usr/games:/sbin/nologin
ntp:x:123:123:NTP:/var/empty:/sbin/nologin
guest:x:405:100:guest:/dev/null:/sbin/nologin
nobody:x:65534:65534:nobody:/:/sbin/nologin
X
cat > etc/group <<'X'
root:x:0:root
bin:x:1:root,bin,daemon
daemon:x:2:root,bin,daemon
sys:x:3:root,bin
adm:x:4:root,daemon
tty:x:5:
disk:x:6:root
lp:x:7:lp
mem:x:8:
kmem:x:9:
wheel:x:10:root
floppy:x:11:root
mail:x:12:mail
man:x:15:man
cron:x:16:cron
audio:x:18:
cdrom:x:19:
ftp:x:21:
sshd:x:22:
input:x:23:
tape:x:26:root
video:x:27:root
netdev:x:28:
kvm:x:34:kvm
games:x:35:
shadow:x:42:
www-data:x:82:
users:x:100:games
ntp:x:123:
utmp:x:406:
ping:x:999:
nogroup:x:65533:
nobody:x:65534:
X
sed 's/^\([^:]*\):.*/\1:!::0:::::/; s/^root:!/root:*/' etc/passwd > etc/shadow
chmod 640 etc/shadow
echo 'export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' > etc/profile
printf '/bin/sh\n/bin/ash\n' > etc/shells
