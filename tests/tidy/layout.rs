//! The architecture as data: the layers of the modules of `src`, the pure modules, and the folders that may be large.

/// A top-level module of `src`, or the crate `frames`. It may import the modules of lower layers, except those in
/// `except`. It may import modules of its own layer only if `beside` contains them. If `only` is set, it may import
/// only the modules in this list.
#[derive(Clone, Copy)]
pub(crate) struct Module {
    pub(crate) name: &'static str,
    pub(crate) layer: u8,
    pub(crate) beside: &'static [&'static str],
    pub(crate) except: &'static [&'static str],
    pub(crate) only: Option<&'static [&'static str]>,
}

/// Items of one module that pure modules may import, although the module is not pure. An entry `Type` does not allow
/// `Type::new`.
pub(crate) struct Allowance {
    pub(crate) module: &'static str,
    pub(crate) items: &'static [&'static str],
    pub(crate) reason: &'static str,
}

pub(crate) struct Layout {
    /// All modules, lower layers first. Within a layer, a module may import only modules that precede it in this list.
    pub(crate) modules: &'static [Module],
    /// Folders, and files without the ending `.rs`, that must not use clocks, sockets, locks, random numbers or tasks.
    pub(crate) pure: &'static [&'static str],
    pub(crate) allowances: &'static [Allowance],
    /// Folders that may have more files than the general limit, with their own limits. Do not add a folder to this
    /// table. Split the folder instead.
    pub(crate) large_folders: &'static [(&'static str, usize)],
}

/// The layers that are described in `src/lib.rs`. `store` and `cluster` are reserved.
pub(crate) const LAYOUT: Layout = Layout {
    modules: &[
        Module::new("frames", 0),
        Module::new("budget", 0),
        Module::new("work", 0),
        Module::new("networks", 0),
        Module::new("rejection", 0),
        Module::new("metrics", 0).beside(&["rejection"]),
        Module::new("destination", 1),
        Module::new("outbound_queue", 1),
        Module::new("command", 2),
        Module::new("auth", 2),
        Module::new("permissions", 2).beside(&["auth"]),
        Module::new("limits", 2),
        Module::new("operations", 3),
        Module::new("session", 3).beside(&["operations"]),
        Module::new("broker", 3),
        Module::new("store", 4).except(&["session"]),
        Module::new("cluster", 4).except(&["session"]),
        Module::new("wire", 5).except(&["store", "cluster"]),
        Module::new("connection", 5).except(&["store", "cluster"]).beside(&["wire"]),
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
        "src/command",
        "src/operations",
        "src/rejection",
        "src/destination",
        "src/permissions",
        "src/auth/principal",
        "src/auth/sources/users_file/record",
        "src/auth/sources/users_file/edit",
        "src/http/sockjs/session/lifecycle",
    ],
    allowances: &[
        ALLOCATION,
        WORK,
        DELIVERY,
        Allowance {
            module: "auth",
            items: &["Credentials", "Credentials::default", "Secret", "Secret::new", "bare_token"],
            reason: "plain data; it contains the client's address, a type of std::net that is no socket",
        },
        Allowance { module: "auth", items: &["LoginError"], reason: "plain data: why a login was rejected" },
        Allowance {
            module: "auth",
            items: &["Hash", "Hash::parse"],
            reason: "only making a hash uses randomness, and that is not listed",
        },
    ],
    large_folders: &[],
};

pub(crate) const ALLOCATION: Allowance = Allowance {
    module: "budget",
    items: &["allocation", "btree_allocation"],
    reason: "functions of their arguments: the memory that an allocation of some size takes",
};
pub(crate) const WORK: Allowance = Allowance {
    module: "work",
    items: &["FRAME", "add", "add_visits"],
    reason: "a counter of the thread that only grows, and that pure code does not read",
};
pub(crate) const DELIVERY: Allowance = Allowance {
    module: "outbound_queue",
    items: &["Delivery", "Key", "Tag"],
    reason: "plain data without a queue or a lock: a message for one subscription, and identifiers",
};

impl Module {
    pub(crate) const fn new(name: &'static str, layer: u8) -> Module {
        Module { name, layer, beside: &[], except: &[], only: None }
    }

    pub(crate) const fn beside(self, beside: &'static [&'static str]) -> Module {
        Module { beside, ..self }
    }

    pub(crate) const fn except(self, except: &'static [&'static str]) -> Module {
        Module { except, ..self }
    }

    pub(crate) const fn only(self, only: &'static [&'static str]) -> Module {
        Module { only: Some(only), ..self }
    }

    pub(crate) fn may_import(&self, other: &Module) -> bool {
        match self.only {
            Some(only) => only.contains(&other.name),
            None => {
                let is_below = other.layer < self.layer && !self.except.contains(&other.name);
                is_below || self.beside.contains(&other.name)
            }
        }
    }
}

impl Layout {
    /// Returns the layout of this project.
    pub(crate) fn current() -> &'static Layout {
        &LAYOUT
    }

    pub(crate) fn module(&self, name: &str) -> Option<&Module> {
        self.modules.iter().find(|module| module.name == name)
    }

    pub(crate) fn is_pure(&self, path: &str) -> bool {
        self.pure
            .iter()
            .any(|part| path.strip_prefix(part).is_some_and(|rest| rest == ".rs" || rest.starts_with('/')))
    }
}
