//! Resource usage: CPU time and open files of this process, memory of the broker's process.

use super::error::BenchError;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Number of files that are reserved for standard streams, files of the runtime, and a margin.
const FILES_RESERVED: u64 = 32;

/// Returns the CPU time of this process so far.
pub(super) fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

/// Raises the limit of open files to its maximum.
///
/// # Errors
/// Returns an error if the maximum is too low for this number of sockets.
pub(super) fn allow_sockets(sockets: usize) -> Result<(), BenchError> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    // If this fails, the limit stays as it is. The check below uses the limit that applies.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    match (sockets as u64).saturating_add(FILES_RESERVED) <= limit {
        true => Ok(()),
        false => Err(BenchError::Other(format!(
            "{sockets} sockets exceed the limit of {limit} open files. Use fewer connections, or raise the limit with \
             ulimit -n"
        ))),
    }
}

/// Returns the resident memory of a process in bytes, as reported by Linux.
pub(super) fn resident_bytes(pid: u32) -> Result<u64, BenchError> {
    let path = format!("/proc/{pid}/status");
    let status = std::fs::read_to_string(&path).map_err(|error| {
        BenchError::Other(format!(
            "--pid {pid}: cannot read {path}: {error}. Set the ID of a running process on Linux"
        ))
    })?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.map(|kib| kib * 1024).ok_or_else(|| {
        BenchError::Other(format!(
            "--pid {pid}: {path} contains no VmRSS. Set the ID of a running process on Linux"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_sockets_for_the_open_file_limit_are_rejected() {
        assert!(allow_sockets(10).is_ok());
        let error = allow_sockets(usize::MAX).expect_err("too many").to_string();
        assert!(error.contains("ulimit -n"), "{error}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn resident_memory_of_a_process_is_read() {
        assert!(resident_bytes(std::process::id()).expect("this process") > 1 << 20);
        let error = resident_bytes(u32::MAX).expect_err("no process").to_string();
        assert!(error.starts_with("--pid 4294967295: cannot read"), "{error}");
    }
}
