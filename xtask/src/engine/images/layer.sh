# Makes one layer in the current folder: see `layer.rs`, which sets KIND, PACKAGES, LOWER, BESIDE,
# ARCH, SUITE and TOOLS. "$@" are the options of the private apt. Runs in namespaces of its own, so that nothing
# need be unmounted.
here=$PWD
epoch=1704067200 # 2024-01-01, for every file

# Downloads packages with all they depend on into `fetched`, but what the dpkg status $1 has.
fetch() {
    status=$1
    shift
    rm -rf "$here/fetched"
    mkdir -p "$here/fetched/partial"
    wanted=
    for name; do wanted="$wanted $name:$ARCH"; done
    # shellcheck disable=SC2086 # the list is one of words
    (eval "$apt" -oDir::Cache::archives="$here/fetched" -oDir::State::status="$status" \
        -oDebug::NoLocking=true -qq -y --download-only install $wanted)
}

# What packages depend on and an unpacked root does without: dpkg's own needs, and Perl for the odd script.
without=" adduser base-files debconf debianutils dpkg gcc-12-base git-man libdb5.3 liberror-perl libgdbm-compat4
libgdbm6 libperl5.36 libsasl2-modules-db login mawk passwd perl perl-base perl-modules-5.36 tar vim-common "
without=$(printf %s "$without" | tr '\n' ' ')

# Packages by name into $1, with all they depend on; `=NAME` is that package alone.
unpack() {
    into=$1
    shift
    mkdir -p "$into"
    : > "$here/no-status"
    alone=
    whole=
    for name; do
        case $name in
        =*) alone="$alone ${name#=}:$ARCH" ;;
        *) whole="$whole $name" ;;
        esac
    done
    rm -rf "$here/fetched"
    mkdir -p "$here/fetched"
    # shellcheck disable=SC2086
    if [ -n "$whole" ]; then fetch "$here/no-status" $whole; fi
    # shellcheck disable=SC2086
    if [ -n "$alone" ]; then (cd "$here/fetched" && eval "$apt" -qq download $alone); fi
    for deb in "$here"/fetched/*.deb; do
        name=${deb##*/}
        name=${name%%_*}
        case $without in *" $name "*) continue ;; esac
        dpkg -x "$deb" "$into"
    done
    rm -rf "$here/fetched"
    slim "$into"
    settle "$into"
}

# What maintainer scripts would have done.
settle() {
    if [ -d "$1/usr/share/ca-certificates" ]; then
        mkdir -p "$1/etc/ssl/certs"
        cat "$1"/usr/share/ca-certificates/*/*.crt > "$1/etc/ssl/certs/ca-certificates.crt"
        ln -sf certs/ca-certificates.crt "$1/etc/ssl/cert.pem"
    fi
    if [ -e "$1/usr/bin/vim.tiny" ]; then ln -sf vim.tiny "$1/usr/bin/vim"; fi
    if [ -e "$1/usr/bin/gcc" ]; then ln -sf gcc "$1/usr/bin/cc"; fi
}

# What the slim images of the public registry lack too.
slim() {
    rm -rf "$1/usr/share/doc" "$1/usr/share/man" "$1/usr/share/info" "$1/usr/share/locale" \
        "$1/usr/share/lintian" "$1/usr/share/bash-completion" "$1/var/cache/man"
}

# A tar file of the folder $1 on standard output: the same bytes for the same files.
pack() {
    tar --create --directory "$1" --sort=name --mtime="@$epoch" --numeric-owner --format=posix \
        --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime .
}

# The options of apt as words that the shell reads back.
apt=apt-get
for option; do
    apt="$apt '$(printf %s "$option" | sed "s/'/'\\\\''/g")'"
done

root=$here/root
if [ -n "$LOWER" ]; then
    # Neither renamed folders nor metadata alone: each layer holds what it changes, whole.
    mount -t overlay luakit-layer "$here/merged" \
        -o "lowerdir=$LOWER,upperdir=$here/root,workdir=$here/work,redirect_dir=off,metacopy=off,index=off"
    root=$here/merged
fi

case $KIND in
nothing) ;;
debian)
    rmdir "$root"
    mmdebstrap --mode=root --variant=minbase --format=directory --architectures="$ARCH" \
        --aptopt='Acquire::Languages "none"' --dpkgopt=force-unsafe-io \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
        --dpkgopt='path-exclude=/usr/share/lintian/*' \
        "$SUITE" "$root" - < "$here/sources"
    rm -f "$root/etc/apt/apt.conf.d/99mmdebstrap" "$root/etc/dpkg/dpkg.cfg.d/99mmdebstrap"
    ;;
apt)
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mkdir -p "$root/var/cache/apt/archives/partial" "$root/var/log/apt"
    # shellcheck disable=SC2086
    eval "$apt" -oDir::State::status="$root/var/lib/dpkg/status" \
        -oDir::State::extended_states="$root/var/lib/apt/extended_states" \
        -oDir::Cache::archives="$root/var/cache/apt/archives" -oDir::Log="$root/var/log/apt" \
        -oDPkg::Chroot-Directory="$root" -oDPkg::Options::=--force-unsafe-io \
        -oDPkg::Options::=--path-exclude=/usr/share/man/* -oDPkg::Options::=--path-exclude=/usr/share/doc/* \
        -oDPkg::Options::=--path-exclude=/usr/share/info/* -oDPkg::Options::=--path-exclude=/usr/share/locale/* \
        -oDebug::NoLocking=true -oDpkg::Use-Pty=false -qq -y install $PACKAGES
    rm -f "$root"/var/cache/apt/archives/*.deb
    ;;
unpack)
    # shellcheck disable=SC2086
    unpack "$root" $PACKAGES
    ;;
repository)
    # shellcheck disable=SC2086
    fetch "$root/var/lib/dpkg/status" $PACKAGES
    mkdir -p "$root/var/lib/test-packages"
    cd "$here/fetched"
    for deb in *.deb; do
        # Epochs are escaped in file names; an index needs names without escapes.
        plain=$(printf %s "$deb" | sed 's/%3a/+/g')
        cp "$deb" "$root/var/lib/test-packages/$plain"
        dpkg-deb --field "$deb"
        printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$plain" "$(stat -c %s "$deb")" \
            "$(sha256sum "$deb" | cut -d ' ' -f 1)"
    done > "$root/var/lib/test-packages/Packages"
    cd "$here"
    rm -rf "$here/fetched"
    ;;
bundles)
    while read -r bundle packages; do
        # shellcheck disable=SC2086
        unpack "$here/bundle" $packages
        pack "$here/bundle" | gzip -n -1 > "$root/$bundle.tar.gz"
        rm -rf "$here/bundle"
    done < "$here/bundles"
    ;;
esac

export FILES="$here/files" ENV="$here/env" WHEELS="$here/wheels" TOOLS ARCH
(cd "$root" && . "$here/finish.sh")

if [ -n "$LOWER" ]; then
    umount -R "$root/proc" "$root/dev" 2>/dev/null || true
    umount "$here/merged"
fi
root=$here/root
# What differs from run to run, and what a slim image has no use for.
rm -rf "$root/var/cache/ldconfig/aux-cache" "$root/var/cache/apt"/*.bin "$root/var/lib/dpkg"/*-old \
    "$root/var/cache/debconf"/*-old "$root/var/log"/*.log "$root/var/log/apt"/* "$root/etc/machine-id" \
    "$root/etc/hostname" "$root/etc/resolv.conf" "$root"/etc/*-
# An overlay's deletions as a layer's, in a copy: the layers above want them as they are.
if [ -n "$LOWER" ]; then
    cp -a --link "$root" "$here/packed"
    root=$here/packed
    find "$root" -type c | while read -r file; do
        if [ "$(stat -c '%t:%T' "$file")" = 0:0 ]; then
            rm "$file"
            : > "${file%/*}/.wh.${file##*/}"
        fi
    done
    getfattr -R --absolute-names -n trusted.overlay.opaque "$root" 2>/dev/null | sed -n 's/^# file: //p' |
        while read -r folder; do : > "$folder/.wh..wh..opq"; done
fi

# Bundles are served as they are, and are no layer.
if [ "$KIND" = bundles ]; then root=$here/work; fi
pack "$root" > "$here/layer.tar"
rm -rf "$here/packed"
sha256sum "$here/layer.tar" > "$here/diff_id"
gzip -n -1 < "$here/layer.tar" > "$here/layer.tar.gz"
sha256sum "$here/layer.tar.gz" > "$here/digest"
rm "$here/layer.tar"
