//! The layout before `users` and `transport` were divided. Delete this file, and its use in `Layout::current`, together
//! with those folders.

use crate::layout::{ALLOCATION, Allowance, DELIVERY, Layout, Module, WORK};

pub(crate) const LAYOUT: Layout = Layout {
    modules: &[
        Module::new("frames", 0),
        Module::new("metrics", 0),
        Module::new("budget", 0),
        Module::new("work", 0),
        Module::new("destination", 1),
        Module::new("outbound_queue", 1),
        Module::new("users", 2),
        Module::new("session", 3),
        Module::new("broker", 3),
        Module::new("store", 4).except(&["session"]),
        Module::new("cluster", 4).except(&["session"]),
        Module::new("transport", 5).except(&["store", "cluster"]),
        Module::new("http", 6),
        Module::new("bench", 7).only(&["frames"]),
        Module::new("config", 7),
        Module::new("server", 7).beside(&["config"]),
        Module::new("cli", 7).beside(&["bench", "config", "server"]),
        Module::new("lib", 7).beside(&["bench", "config", "server", "cli"]),
        Module::new("main", 7).beside(&["bench", "config", "server", "cli", "lib"]),
    ],
    pure: &[
        "frames/src",
        "src/session",
        "src/destination",
        "src/users/permissions",
        "src/users/principal",
        "src/users/file/record",
        "src/users/file/edit",
        "src/transport/sockjs/session",
    ],
    allowances: &[
        ALLOCATION,
        WORK,
        DELIVERY,
        Allowance {
            module: "users",
            items: &["Credentials", "Credentials::default", "Secret", "Secret::new", "bare_token"],
            reason: "plain data; it contains the client's address, a type of std::net that is no socket",
        },
        Allowance { module: "users", items: &["Refused"], reason: "plain data: why a login was rejected" },
        Allowance {
            module: "users",
            items: &["Hash", "Hash::parse"],
            reason: "only making a hash uses randomness, and that is not listed",
        },
    ],
    large_folders: &[
        ("src/bench", 21),
        ("src/broker", 30),
        ("src/config", 21),
        ("src/session", 21),
        ("src/transport", 38),
        ("src/transport/sockjs", 19),
        ("src/users", 25),
        ("tests/it", 43),
    ],
};
