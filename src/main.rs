//! The `stompbox` command. The allocator is set here and not in the library, because a program that embeds the crate
//! chooses its own.

#[cfg(all(feature = "jemalloc", unix, not(target_env = "musl")))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> std::process::ExitCode {
    stompbox::main()
}
