//! Memory for bulk results. Fresh memory is slow to fill, since the kernel finds and clears each page as it is first
//! written to; with huge pages that takes a third of the time.

use rustix::mm::{Advice, madvise};

/// Memory from this size on is worth a system call.
const LARGE: usize = 4 << 20;
/// How large a huge page is. Where they have another size, or there are none, the advice is for nothing.
const HUGE: usize = 2 << 20;

/// Advises the kernel to use huge pages for memory that is about to be filled.
pub(crate) fn prefer_huge<T>(memory: &mut [T]) {
    const { assert!(size_of::<T>() == 1, "the memory is bytes") };
    if memory.len() < LARGE {
        return;
    }
    // What lies beside this memory in its first and its last page belongs to others.
    let before = memory.as_ptr().align_offset(HUGE);
    let Some(within) = memory.get_mut(before..) else { return };
    let length = within.len() / HUGE * HUGE;
    // SAFETY: the range is within memory that is borrowed here, and the advice changes nothing of what is in it.
    #[expect(unsafe_code, reason = "only the owner of memory knows that it is about to be filled")]
    let advised = unsafe { madvise(within.as_mut_ptr().cast(), length, Advice::LinuxHugepage) };
    // A kernel without huge pages refuses.
    let _ = advised;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_memory_stays() {
        let mut bytes = Vec::<u8>::with_capacity(LARGE + 3);
        bytes.extend_from_slice(&[7; 5]);
        prefer_huge(bytes.spare_capacity_mut());
        bytes.resize(LARGE + 3, 8);
        assert_eq!(bytes[..5], [7; 5]);
        assert_eq!(bytes[5..], [8; LARGE - 2]);
    }
}
