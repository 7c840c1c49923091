//! Which program this process runs. Functions are named by where they are in the program's image, so both ends of a
//! control channel must run the same one.

use std::os::unix::fs::MetadataExt;

use crate::wire::BuildId;

/// The file that this process was started from, even if another one has taken its name since.
pub(crate) fn identity() -> std::io::Result<BuildId> {
    let file = std::fs::metadata("/proc/self/exe")?;
    let modified =
        file.mtime().cast_unsigned().wrapping_mul(1_000_000_000).wrapping_add(file.mtime_nsec().cast_unsigned());
    let version = env!("CARGO_PKG_VERSION").bytes().fold(0_u64, |hash, byte| hash.wrapping_mul(31) + u64::from(byte));
    Ok(BuildId([file.dev(), file.ino(), file.size(), modified, version]))
}
