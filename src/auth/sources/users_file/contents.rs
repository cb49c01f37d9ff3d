//! The contents of a users file.

use super::record::{self, Record};
use crate::auth::name::Names;
use crate::auth::password::hash::Hash;
use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Maximum size of a users file, in bytes. It is enough for several hundred thousand users.
const FILE_BYTES_MAX: u64 = 64 << 20;
/// Time after a change in which another change may leave the file's timestamps the same.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// The users in a users file.
#[derive(Debug)]
pub(super) struct Users {
    by_name: HashMap<Arc<str>, Record>,
    /// The hash to check for an unknown user. The check then takes as long as for a known user. It costs as much as
    /// most hashes of the file.
    pub(super) dummy_hash: Arc<Hash>,
}

impl Users {
    /// Parses the text of a file. Users must have names that `names` accepts.
    ///
    /// # Errors
    /// The file is invalid. The text begins with the number of the first invalid line.
    pub(super) fn parse(text: &str, names: Names) -> Result<Users, String> {
        let records = record::parse(text).map_err(|error| error.to_string())?;
        for record in &records {
            names.check(&record.name).map_err(|error| format!("{}: {error}", record.line))?;
        }
        let dummy_hash = Hash::dummy(most_common_cost(&records))
            .map_err(|_| " the system has no source of randomness".to_owned())?;
        let by_name = records.into_iter().map(|record| (record.name.clone(), record)).collect();
        Ok(Users { by_name, dummy_hash: Arc::new(dummy_hash) })
    }

    pub(super) fn get(&self, name: &str) -> Option<&Record> {
        self.by_name.get(name)
    }

    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }
}

/// Returns a hash with the most common cost. Returns `None` if the file has no users.
fn most_common_cost(records: &[Record]) -> Option<&Hash> {
    let mut costs: HashMap<_, (usize, &Hash)> = HashMap::new();
    for record in records {
        costs.entry(record.hash.cost()).or_insert((0, &record.hash)).0 += 1;
    }
    costs.into_iter().max_by_key(|(cost, (count, _))| (*count, *cost)).map(|(_, (_, hash))| hash)
}

/// File attributes that change with the content of the file. Comparing them does not require reading the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileFingerprint {
    file: (u64, u64),
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    /// Whether the timestamps are so old that the next change will change them.
    is_settled: bool,
}

impl FileFingerprint {
    fn of(metadata: &Metadata) -> FileFingerprint {
        let age =
            metadata.modified().ok().and_then(|modified| SystemTime::now().duration_since(modified).ok());
        FileFingerprint {
            file: (metadata.dev(), metadata.ino()),
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            is_settled: age.is_some_and(|age| age > SETTLED_AFTER),
        }
    }

    /// Returns whether the file at `path` has certainly not changed since this fingerprint was taken.
    pub(super) fn matches(&self, path: &Path) -> bool {
        self.is_settled
            && std::fs::metadata(path).is_ok_and(|metadata| FileFingerprint::of(&metadata) == *self)
    }
}

/// Returns the text of the file at `path`, and the fingerprint that the file had before it was read.
///
/// # Errors
/// The file cannot be read. The text says why.
pub(super) fn read(path: &Path) -> Result<(String, FileFingerprint), String> {
    let describe = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => {
            " the file does not exist. Create it with stompbox passwd FILE NAME".to_owned()
        }
        _ => format!(" the file cannot be read: {error}"),
    };
    let file = File::open(path).map_err(describe)?;
    let metadata = file.metadata().map_err(describe)?;
    if !metadata.is_file() {
        return Err(" the path is not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(describe)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!(" the file is too large: expected at most {FILE_BYTES_MAX} bytes"));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        format!("{}: invalid UTF-8", line + 1)
    })?;
    Ok((text, FileFingerprint::of(&metadata)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::password::hash::tests::cheap;

    #[test]
    fn hash_for_unknown_users_has_the_most_common_cost() {
        let costly = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        let cheap = cheap("x");
        let file = |costly_count: usize, cheap_count: usize| {
            let line = |number: usize| if number < costly_count { costly } else { cheap.as_str() };
            (0..costly_count + cheap_count)
                .map(|number| format!("user-{number}:{}\n", line(number)))
                .collect::<String>()
        };
        for (costly_count, cheap_count, expected) in
            [(2, 1, (256, 2, 1)), (1, 2, (8, 1, 1)), (1, 1, (256, 2, 1)), (0, 0, (19_456, 2, 1))]
        {
            let users = Users::parse(&file(costly_count, cheap_count), Names::Precis).expect("a file");
            assert_eq!((users.dummy_hash.cost(), users.len()), (expected, costly_count + cheap_count));
        }
    }

    #[test]
    fn fingerprint_matches_while_an_old_file_is_unchanged() {
        let path = std::env::temp_dir().join(format!("stompbox-look-{}", std::process::id()));
        let write = |text: &str, age: u64| {
            std::fs::write(&path, text).expect("a file");
            let file = File::options().write(true).open(&path).expect("an own file");
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).expect("an own file");
            read(&path).expect("a file").1
        };
        assert!(!write("a", 0).matches(&path), "another change at the same time could be missed");
        let fingerprint = write("a", 3600);
        assert!(fingerprint.matches(&path));
        write("ab", 3600);
        assert!(!fingerprint.matches(&path));
        let fingerprint = write("a", 3600);
        std::fs::remove_file(&path).expect("it is there");
        assert!(!fingerprint.matches(&path));
    }
}
