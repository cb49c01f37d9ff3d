//! Replaces a file as a whole: whoever reads it has the old one or the new one, and of two who write at once none is lost.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

/// The mode of a new file: hashes are nobody else's business.
const MODE: u32 = 0o600;

/// A file that nobody else of this kind changes meanwhile.
#[derive(Debug)]
pub(super) struct LockedFile {
    path: PathBuf,
    file: File,
    text: String,
    is_new: bool,
}

impl LockedFile {
    /// Waits for the file's lock and reads it; makes an empty one if there is none.
    ///
    /// # Errors
    /// The text says why.
    pub(super) fn new(path: &Path) -> Result<LockedFile, String> {
        // Behind a symbolic link it is the file that is replaced, not the link.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        loop {
            let is_new = !path.exists();
            let mut file = open(&path).map_err(|error| error.to_string())?;
            file.lock().map_err(|error| format!("cannot lock it: {error}"))?;
            if !is_at(&file, &path) {
                // Another one has replaced it while this one waited.
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

    /// Puts another text in its place, with the same owner and mode, and lets the lock go.
    ///
    /// # Errors
    /// The file is as it was; the text says why.
    pub(super) fn replace(mut self, text: &str) -> Result<(), String> {
        let (directory, name) = (self.path.parent(), self.path.file_name());
        let directory = directory.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = name.unwrap_or_default().to_string_lossy();
        let beside = directory.join(format!(".{name}.{}.new", std::process::id()));
        let written = self.write(&beside, text).and_then(|()| fs::rename(&beside, &self.path));
        if written.is_err() {
            let _ = fs::remove_file(&beside);
        }
        written.map_err(|error| error.to_string())?;
        self.is_new = false;
        // The name is safe when its directory is; where a directory cannot be synced, it is as safe as it gets.
        let _ = File::open(directory).and_then(|directory| directory.sync_all());
        Ok(())
    }

    fn write(&self, beside: &Path, text: &str) -> io::Result<()> {
        // One of that name can only be what a killed process has left.
        let _ = fs::remove_file(beside);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(beside)?;
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
    /// Leaves no empty file behind where there was none.
    fn drop(&mut self) {
        if self.is_new && is_at(&self.file, &self.path) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// For writing too if that is allowed: some network file systems lock nothing else.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(MODE);
    match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => File::open(path),
        opened => opened,
    }
}

/// Whether `path` still leads to this very file.
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
    fn many_at_once_lose_nothing() {
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
        fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("an own file");
        let link = directory.join("link");
        std::os::unix::fs::symlink(&path, &link).expect("a link");
        LockedFile::new(&link).expect("a file").replace("new\n").expect("written");
        assert_eq!(fs::read_to_string(&path).expect("a file"), "new\n");
        assert_eq!(fs::metadata(&path).expect("a file").mode() & 0o7777, 0o640, "the mode stays");
        drop(LockedFile::new(&directory.join("none")).expect("a new file"));
        let mut left: Vec<_> = fs::read_dir(&directory)
            .expect("a directory")
            .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
            .collect();
        left.sort();
        assert_eq!(left, ["file", "link"]);
        fs::remove_dir_all(&directory).expect("an own directory");
    }
}
