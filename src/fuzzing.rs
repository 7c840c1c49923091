//! What the fuzz targets in `tests/fuzz/` call: the readers of bytes that nobody vouches for. Only there when fuzzing,
//! and when testing, to replay what fuzzing found.

use oast_config::ByteSize;

use crate::wire::{Decoder, FromLauncher, FromWorker, Message, ToLauncher, ToWorker};

/// Small enough that a frame which takes more memory than it has bytes is noticed.
const LIMIT: ByteSize = ByteSize::mib(1);

/// Reads as the host does, from a worker process and from its guard, in pieces as they may come.
pub fn from_worker(bytes: &[u8]) {
    read::<FromWorker>(bytes);
    read::<FromLauncher>(bytes);
}

/// Reads as a worker process and its launcher do.
pub fn to_worker(bytes: &[u8]) {
    read::<ToWorker>(bytes);
    read::<ToLauncher>(bytes);
}

fn read<M: Message>(bytes: &[u8]) {
    let mut decoder = Decoder::<M>::new(LIMIT);
    // The first byte says how large the pieces are, so that frames are cut anywhere.
    let piece = bytes.first().map_or(1, |first| usize::from(*first) + 1);
    for piece in bytes.chunks(piece) {
        let mut rest = piece;
        while !rest.is_empty() {
            let space = decoder.space();
            let fits = rest.len().min(space.capacity() - space.len());
            assert!(fits > 0, "there is always room for more");
            space.extend_from_slice(&rest[..fits]);
            rest = &rest[fits..];
            loop {
                match decoder.next() {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) => return,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replay(target: &str, read: fn(&[u8])) {
        let folder = format!("{}/tests/fuzz/corpus/{target}", env!("CARGO_MANIFEST_DIR"));
        let mut count = 0;
        for entry in std::fs::read_dir(folder).expect("the corpus is in the repository") {
            let path = entry.expect("it can be read").path();
            read(&std::fs::read(path).expect("it can be read"));
            count += 1;
        }
        assert!(count > 0, "the corpus of {target} is empty");
    }

    #[test]
    fn whatever_fuzzing_found_in_what_a_worker_sends_is_harmless() {
        replay("from_worker", from_worker);
    }

    #[test]
    fn whatever_fuzzing_found_in_what_a_worker_reads_is_harmless() {
        replay("to_worker", to_worker);
    }
}
