//! Which program this is.

use std::{fs, io, os::unix::fs::MetadataExt};

use crate::wire::BuildId;

/// The identity of the program that this process runs. It stays the same when the file is replaced or deleted meanwhile: the
/// link names the file that was started, not its path.
///
/// # Errors
/// `/proc` is not there.
pub(crate) fn build_id() -> io::Result<BuildId> {
    let file = fs::metadata("/proc/self/exe")?;
    let modified = file.mtime().wrapping_mul(1_000_000_000).wrapping_add(file.mtime_nsec());
    Ok(BuildId([file.dev(), file.ino(), file.size(), modified.cast_unsigned(), version()]))
}

fn version() -> u64 {
    let part = |text: &str| text.parse::<u64>().unwrap_or(u64::from(u16::MAX));
    part(env!("CARGO_PKG_VERSION_MAJOR")) << 32
        | part(env!("CARGO_PKG_VERSION_MINOR")) << 16
        | part(env!("CARGO_PKG_VERSION_PATCH"))
}
