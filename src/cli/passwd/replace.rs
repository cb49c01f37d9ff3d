//! Atomic replacement of a file. A reader sees either the old or the new contents. A lock keeps concurrent writers from
//! losing changes.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// The mode of a new file: only its owner may read the hashes.
const MODE: u32 = 0o600;

/// A file with an exclusive lock. While this value exists, no other `LockedFile` can change the file.
#[derive(Debug)]
pub(super) struct LockedFile {
    path: PathBuf,
    file: File,
    text: String,
    is_new: bool,
}

impl LockedFile {
    /// Waits for the lock of the file and reads the file. Creates an empty file if it does not exist.
    ///
    /// # Errors
    /// Returns a text if the file cannot be opened, locked or read.
    pub(super) fn new(path: &Path) -> Result<LockedFile, String> {
        // If the path is a symbolic link, replace the target and keep the link.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        loop {
            let is_new = !path.exists();
            let mut file = open(&path).map_err(|error| error.to_string())?;
            file.lock().map_err(|error| format!("cannot lock the file: {error}"))?;
            if !is_at(&file, &path) {
                // Another process has replaced the file while this one waited for the lock.
                continue;
            }
            let mut text = String::new();
            file.read_to_string(&mut text).map_err(|error| error.to_string())?;
            return Ok(LockedFile { path, file, text, is_new });
        }
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Replaces the contents of the file, keeps its owner and mode, and releases the lock.
    ///
    /// # Errors
    /// Returns a text if the new file cannot be written. The old file is then unchanged.
    pub(super) fn replace(mut self, text: &str) -> Result<(), String> {
        let (directory, name) = (self.path.parent(), self.path.file_name());
        let directory = directory.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = name.unwrap_or_default().to_string_lossy();
        let new_path = directory.join(format!(".{name}.{}.new", std::process::id()));
        let written = self.write(&new_path, text).and_then(|()| fs::rename(&new_path, &self.path));
        if written.is_err() {
            let _ = fs::remove_file(&new_path);
        }
        written.map_err(|error| error.to_string())?;
        self.is_new = false;
        // Syncing the directory makes the rename durable. File systems that cannot sync a directory give no such
        // guarantee, so errors are ignored.
        let _ = File::open(directory).and_then(|directory| directory.sync_all());
        Ok(())
    }

    fn write(&self, new_path: &Path, text: &str) -> io::Result<()> {
        // Only a process that was killed can have left a file with this name.
        let _ = fs::remove_file(new_path);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(new_path)?;
        file.write_all(text.as_bytes())?;
        let (old, new) = (self.file.metadata()?, file.metadata()?);
        if (old.uid(), old.gid()) != (new.uid(), new.gid()) {
            fchown(&file, Some(old.uid()), Some(old.gid()))?;
        }
        file.set_permissions(Permissions::from_mode(old.mode() & 0o7777))?;
        file.sync_all()
    }
}

impl Drop for LockedFile {
    /// Removes the file if [`LockedFile::new`] created it and [`LockedFile::replace`] was not called.
    fn drop(&mut self) {
        if self.is_new && is_at(&self.file, &self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Opens the file for reading and, if permitted, for writing. Some network file systems can lock only files that are
/// open for writing.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(MODE);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => File::open(path),
        opened => opened,
    }
}

/// Returns whether `path` still refers to this open file.
fn is_at(file: &File, path: &Path) -> bool {
    let id =
        |metadata: io::Result<fs::Metadata>| metadata.map(|metadata| (metadata.dev(), metadata.ino())).ok();
    let own = id(file.metadata());
    own.is_some() && own == id(fs::metadata(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concurrent_replacements_lose_no_update() {
        let directory = std::env::temp_dir().join(format!("stompbox-replace-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory");
        let path = directory.join("file");
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let path = &path;
                scope.spawn(move || {
                    for number in 0..10 {
                        let locked = LockedFile::new(path).expect("a file");
                        let text = format!("{}{thread}-{number}\n", locked.text());
                        locked.replace(&text).expect("written");
                    }
                });
            }
        });
        let text = fs::read_to_string(&path).expect("a file");
        assert_eq!(text.lines().count(), 80, "{text}");
        assert_eq!(fs::metadata(&path).expect("a file").mode() & 0o7777, MODE);
        fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("the mode is set");
        let link = directory.join("link");
        std::os::unix::fs::symlink(&path, &link).expect("a link");
        LockedFile::new(&link).expect("a file").replace("new\n").expect("written");
        assert_eq!(fs::read_to_string(&path).expect("a file"), "new\n");
        assert_eq!(fs::metadata(&path).expect("a file").mode() & 0o7777, 0o640, "the mode is unchanged");
        drop(LockedFile::new(&directory.join("none")).expect("a new file"));
        let mut remaining: Vec<_> = fs::read_dir(&directory)
            .expect("a directory")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        remaining.sort();
        assert_eq!(remaining, ["file", "link"]);
        fs::remove_dir_all(&directory).expect("the directory is removed");
    }
}
