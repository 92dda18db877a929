# Cargo and rustc where the rust images have them. Programs are linked statically, as on Alpine they are.
mkdir -p usr/local/cargo/bin usr/local/rustup
for name in cargo rustc rustdoc; do
    for path in "usr/bin/$name" "usr/lib/rust-web/bin/$name" usr/lib/rust-*/bin/"$name"; do
        if [ -e "$path" ]; then
            ln -sf "/$path" "usr/local/cargo/bin/$name"
            break
        fi
    done
done
chmod -R a+w usr/local/cargo usr/local/rustup
printf '[build]\nrustflags = ["-C", "target-feature=+crt-static"]\n' > usr/local/cargo/config.toml
rm -rf usr/src/rustc-* usr/lib/x86_64-linux-gnu/gconv usr/bin/*-lto-dump-* usr/lib/gcc/*/*/lib?san.* \
    usr/lib/gcc/*/*/libubsan.* usr/lib/x86_64-linux-gnu/lib?san.so.* usr/lib/x86_64-linux-gnu/libubsan.so.*
echo "RUST_VERSION=$(chroot . /usr/local/cargo/bin/rustc --version | cut -d ' ' -f 2)" > "$ENV"
