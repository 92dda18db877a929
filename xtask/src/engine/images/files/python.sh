# `python` and `pip` where the python images have them, free to install; wheels for pip with no network.
ln -s /usr/bin/python3.11 usr/local/bin/python3.11
ln -s python3.11 usr/local/bin/python3
ln -s python3 usr/local/bin/python
for name in pip pip3 pip3.11; do ln -s /usr/bin/pip3 "usr/local/bin/$name"; done
rm -f usr/lib/python3.11/EXTERNALLY-MANAGED
mkdir -p var/lib/test-packages/wheels
cp "$WHEELS"/*.whl var/lib/test-packages/wheels/
printf '[global]\nno-index = true\nfind-links = /var/lib/test-packages/wheels\nroot-user-action = ignore\ndisable-pip-version-check = true\n' \
    > etc/pip.conf
# Compiled files must not depend on times, which a layer does not keep.
find usr/lib/python3 usr/lib/python3.11 -name __pycache__ -prune -exec rm -rf {} +
chroot . python3.11 -m compileall -q -j 2 --invalidation-mode unchecked-hash /usr/lib/python3.11 /usr/lib/python3 \
    -x '/(test|tests|lib2to3)/' || true
echo "PYTHON_VERSION=$(chroot . python3.11 -c 'import platform; print(platform.python_version())')" > "$ENV"
