# The user that the node images have.
echo 'node:x:1000:1000::/home/node:/bin/sh' >> etc/passwd
echo 'node:x:1000:' >> etc/group
echo 'node:!:19000:0:99999:7:::' >> etc/shadow
mkdir -p home/node
chown 1000:1000 home/node
