//! The `luakit` binary.

fn main() -> std::process::ExitCode {
    luakit::main()
}
