//! Builds the demo page in `web/` before it is embedded, if this is a checkout of the repository and npm is installed.
//! The script never fails. Without the page, the broker serves a hint that says how to build the page.
//!
//! `web/dist/index.html` gets the modification time of the newest source. The page is out of date if a source is newer.
//! Cargo compares the times of the sources and the page with the time of the last start of this script. In an unchanged
//! tree, Cargo does not start the script again.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

/// The sources of the page, in `web/`.
const SOURCES: &[&str] =
    &["index.html", "package.json", "package-lock.json", "src", "tsconfig.json", "vite.config.ts"];
/// Maximum time for all npm commands together. This limit ends a command that hangs. Even on a busy machine the
/// commands take far less time.
const TIME_MAX: Duration = Duration::from_secs(900);
/// Interval at which a running npm is checked.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
const NPM: &str = if cfg!(windows) { "npm.cmd" } else { "npm" };

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=STOMPBOX_SKIP_WEB");
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let web = Web { root: root.join("web"), log: PathBuf::from(variable("OUT_DIR")).join("web.log") };
    if std::env::var_os("CARGO_FEATURE_WEB").is_none() || !web.is_checkout(&root) {
        return;
    }
    for source in SOURCES {
        println!("cargo:rerun-if-changed={}", web.root.join(source).display());
    }
    if std::env::var_os("STOMPBOX_SKIP_WEB").is_none_or(|value| value == "0" || value.is_empty())
        && let Err(error) = web.build(&root)
    {
        let embedded = if web.page().exists() { "An older build" } else { "A hint" };
        println!(
            "cargo:warning=The demo page was not built: {error}. {embedded} is embedded instead. Set \
             STOMPBOX_SKIP_WEB=1 to skip the build"
        );
    }
    // With a path that does not exist, cargo would run this script at every build.
    if web.page().exists() {
        println!("cargo:rerun-if-changed={}", web.page().display());
    }
}

/// Returns a variable that cargo sets.
fn variable(name: &str) -> std::ffi::OsString {
    std::env::var_os(name).unwrap_or_default()
}

struct Web {
    root: PathBuf,
    /// The file for the output of npm.
    log: PathBuf,
}

impl Web {
    /// Returns whether this is a checkout, and not a copy that cargo has fetched as a dependency.
    fn is_checkout(&self, root: &Path) -> bool {
        self.root.join("package.json").exists()
            && !root.join(".cargo-ok").exists()
            && !root.join(".cargo-checksum.json").exists()
    }

    fn page(&self) -> PathBuf {
        self.root.join("dist/index.html")
    }

    fn is_fresh(&self, newest: SystemTime) -> bool {
        modified(&self.page()).is_ok_and(|built| built >= newest)
    }

    fn build(&self, root: &Path) -> Result<(), String> {
        // Two cargo processes may build this tree at the same time, into different target directories.
        let lock = File::open(root.join("build.rs")).map_err(|error| error.to_string())?;
        lock.lock().map_err(|error| error.to_string())?;
        let newest = self.newest_source().map_err(|error| format!("cannot read web/: {error}"))?;
        if self.is_fresh(newest) {
            return Ok(());
        }
        if !is_on_path(NPM) {
            watch_path();
            return Err("npm is not in PATH".into());
        }
        let result = self.run_npm(newest);
        if result.is_err() && !self.page().exists() {
            // Any change in the directory may fix the build, so cargo then runs this script again.
            println!("cargo:rerun-if-changed={}", self.root.display());
        }
        result
    }

    fn newest_source(&self) -> io::Result<SystemTime> {
        let mut newest = SystemTime::UNIX_EPOCH;
        for source in SOURCES {
            newest = newest.max(newest_below(&self.root.join(source))?);
        }
        Ok(newest)
    }

    fn run_npm(&self, newest: SystemTime) -> Result<(), String> {
        let deadline = Instant::now() + TIME_MAX;
        let lock_file = self.root.join("package-lock.json");
        let installed = modified(&self.root.join("node_modules/.package-lock.json"));
        if !installed.is_ok_and(|installed| modified(&lock_file).is_ok_and(|required| installed >= required))
        {
            let arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=0"];
            self.npm(&arguments, deadline)?;
        }
        // A directory that git ignores. It replaces `dist` when the build is complete.
        let new_dist = self.root.join("node_modules/.stompbox-dist");
        let out = new_dist.to_string_lossy();
        self.npm(&["run", "build", "--", "--emptyOutDir", "--outDir", &out], deadline)?;
        self.replace(&new_dist, newest).map_err(|error| format!("cannot replace web/dist: {error}"))
    }

    fn replace(&self, new_dist: &Path, newest: SystemTime) -> io::Result<()> {
        let index = File::options().write(true).open(new_dist.join("index.html"))?;
        index.set_modified(newest)?;
        drop(index);
        let dist = self.root.join("dist");
        let old = self.root.join("node_modules/.stompbox-dist-old");
        let _ = fs::remove_dir_all(&old);
        if dist.exists() {
            fs::rename(&dist, &old)?;
        }
        fs::rename(new_dist, &dist)?;
        let _ = fs::remove_dir_all(&old);
        Ok(())
    }

    /// Runs npm with its output in the log file. The error names the command and the log.
    fn npm(&self, arguments: &[&str], deadline: Instant) -> Result<(), String> {
        let name = format!("npm {}", arguments[..arguments.len().min(2)].join(" "));
        let log = File::create(&self.log).map_err(|error| error.to_string())?;
        let errors = log.try_clone().map_err(|error| error.to_string())?;
        let mut command = Command::new(NPM);
        command.args(arguments).current_dir(&self.root).env("CI", "1");
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        // Use a process group, so that the processes that npm starts can be killed together with npm.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child = command.spawn().map_err(|error| format!("{name}: {error}"))?;
        match wait(child, deadline).map_err(|error| format!("{name}: {error}"))? {
            Some(status) if status.success() => Ok(()),
            Some(_) => Err(format!("{name} failed. See {}", self.log.display())),
            None => {
                Err(format!("{name} took longer than {} s. See {}", TIME_MAX.as_secs(), self.log.display()))
            }
        }
    }
}

/// Waits for the process. If it is still running at the deadline, kills it and returns `None`.
fn wait(mut child: Child, deadline: Instant) -> io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            break;
        }
        sleep(POLL_INTERVAL);
    }
    if cfg!(unix) {
        let group = format!("-{}", child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
    }
    let _ = child.kill();
    child.wait()?;
    Ok(None)
}

fn modified(path: &Path) -> io::Result<SystemTime> {
    fs::metadata(path)?.modified()
}

/// Returns the newest modification time of the path and everything below it. The times of directories count, too,
/// because they change when a file is removed.
fn newest_below(path: &Path) -> io::Result<SystemTime> {
    let mut newest = modified(path)?;
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            newest = newest.max(newest_below(&entry?.path())?);
        }
    }
    Ok(newest)
}

fn path_directories() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).filter(|directory| directory.is_absolute() && directory.is_dir()).collect()
}

fn is_on_path(program: impl AsRef<OsStr>) -> bool {
    path_directories().iter().any(|directory| directory.join(program.as_ref()).is_file())
}

/// Makes cargo run this script again when a directory in `PATH` changes, because npm may have been installed there.
fn watch_path() {
    println!("cargo:rerun-if-env-changed=PATH");
    for directory in path_directories() {
        println!("cargo:rerun-if-changed={}", directory.display());
    }
}
