//! Builds the demo page in `web/` before it is embedded, where this is the repository's own checkout and npm is
//! present. It never fails: a broker without the page says how to get it.
//!
//! `web/dist` carries the time of its newest source. So it is stale as soon as a source is newer, and cargo, which
//! compares with the time at which this script was started, finds nothing to do in an unchanged tree.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

/// What the page is made of, in `web/`.
const SOURCES: &[&str] =
    &["index.html", "package.json", "package-lock.json", "src", "tsconfig.json", "vite.config.ts"];
/// How long npm may take, all in all. Guards against a hang: far above what it takes on a busy machine.
const TIME_MAX: Duration = Duration::from_secs(900);
const PATIENCE: Duration = Duration::from_millis(50);
const NPM: &str = if cfg!(windows) { "npm.cmd" } else { "npm" };

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=STOMPBOX_SKIP_WEB");
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let web = Web { root: root.join("web"), log: PathBuf::from(variable("OUT_DIR")).join("web.log") };
    if std::env::var_os("CARGO_FEATURE_WEB").is_none() || !web.is_ours(&root) {
        return;
    }
    for source in SOURCES {
        println!("cargo:rerun-if-changed={}", web.root.join(source).display());
    }
    if std::env::var_os("STOMPBOX_SKIP_WEB").is_none_or(|value| value == "0" || value.is_empty())
        && let Err(why) = web.build(&root)
    {
        let instead = if web.page().exists() { "an older one is" } else { "a hint is" };
        println!(
            "cargo:warning=The demo page was not built, {instead} embedded: {why} (STOMPBOX_SKIP_WEB=1 skips this)"
        );
    }
    // A path that does not exist would make cargo come back at every build.
    if web.page().exists() {
        println!("cargo:rerun-if-changed={}", web.page().display());
    }
}

/// Cargo sets it.
fn variable(name: &str) -> std::ffi::OsString {
    std::env::var_os(name).unwrap_or_default()
}

struct Web {
    root: PathBuf,
    /// What npm says.
    log: PathBuf,
}

impl Web {
    /// Not a copy that cargo fetched for somebody who depends on this crate.
    fn is_ours(&self, root: &Path) -> bool {
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
        // Two cargos may build this tree at once, into two targets.
        let lock = File::open(root.join("build.rs")).map_err(|error| error.to_string())?;
        lock.lock().map_err(|error| error.to_string())?;
        let newest = self.newest_source().map_err(|error| format!("web/ cannot be read: {error}"))?;
        if self.is_fresh(newest) {
            return Ok(());
        }
        if !is_on_path(NPM) {
            watch_path();
            return Err("npm is not on PATH".into());
        }
        let result = self.run_npm(newest);
        if result.is_err() && !self.page().exists() {
            // Whatever is mended in there is a reason to try again.
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
        if !installed.is_ok_and(|installed| modified(&lock_file).is_ok_and(|wanted| installed >= wanted)) {
            let words = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=0"];
            self.npm(&words, deadline)?;
        }
        // Beside the old one until it is whole, in a place that git ignores.
        let fresh = self.root.join("node_modules/.stompbox-dist");
        let out = fresh.to_string_lossy();
        self.npm(&["run", "build", "--", "--emptyOutDir", "--outDir", &out], deadline)?;
        self.replace(&fresh, newest).map_err(|error| format!("web/dist cannot be replaced: {error}"))
    }

    fn replace(&self, fresh: &Path, newest: SystemTime) -> io::Result<()> {
        let index = File::options().write(true).open(fresh.join("index.html"))?;
        index.set_modified(newest)?;
        drop(index);
        let dist = self.root.join("dist");
        let old = self.root.join("node_modules/.stompbox-dist-old");
        let _ = fs::remove_dir_all(&old);
        if dist.exists() {
            fs::rename(&dist, &old)?;
        }
        fs::rename(fresh, &dist)?;
        let _ = fs::remove_dir_all(&old);
        Ok(())
    }

    fn npm(&self, words: &[&str], deadline: Instant) -> Result<(), String> {
        let what = format!("npm {}", words[..words.len().min(2)].join(" "));
        let log = File::create(&self.log).map_err(|error| error.to_string())?;
        let errors = log.try_clone().map_err(|error| error.to_string())?;
        let mut command = Command::new(NPM);
        command.args(words).current_dir(&self.root).env("CI", "1");
        command.stdin(Stdio::null()).stdout(log).stderr(errors);
        // A group of its own, so that what npm started can be ended with it.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child = command.spawn().map_err(|error| format!("{what}: {error}"))?;
        match wait(child, deadline).map_err(|error| format!("{what}: {error}"))? {
            Some(status) if status.success() => Ok(()),
            Some(_) => Err(format!("{what} failed, see {}", self.log.display())),
            None => {
                Err(format!("{what} took longer than {} s, see {}", TIME_MAX.as_secs(), self.log.display()))
            }
        }
    }
}

/// None: it was still running at the deadline, and has been ended.
fn wait(mut child: Child, deadline: Instant) -> io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= deadline {
            break;
        }
        sleep(PATIENCE);
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

/// Directories count: one changes when a file in it goes.
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

/// npm may appear in any of these.
fn watch_path() {
    println!("cargo:rerun-if-env-changed=PATH");
    for directory in path_directories() {
        println!("cargo:rerun-if-changed={}", directory.display());
    }
}
