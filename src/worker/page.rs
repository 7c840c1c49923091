//! The worker process's view of the memory that it shares with its host; what lies where says [`crate::wire::page`].

use std::{
    os::fd::OwnedFd,
    ptr::NonNull,
    sync::atomic::{AtomicU64, Ordering},
};

use oast_actors::EvalId;
use rustix::{
    io::Errno,
    mm::{MapFlags, ProtFlags},
};

use crate::wire::page;

/// The memory, for as long as the process lives.
pub(crate) struct Page(NonNull<u8>);

// SAFETY: it is a pointer into a shared mapping that is never unmapped. What several threads use there are atomics, and
// the gathered bytes, which only the one holder of a [`Gathered`] writes.
#[expect(unsafe_code, reason = "a pointer into a shared mapping")]
unsafe impl Send for Page {}
// SAFETY: as above.
#[expect(unsafe_code, reason = "a pointer into a shared mapping")]
unsafe impl Sync for Page {}

impl Page {
    pub(crate) fn map(memory: &OwnedFd) -> Result<&'static Self, Errno> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        #[expect(unsafe_code, reason = "shared memory with the host")]
        // SAFETY: the kernel chooses the address, and the mapping lives as long as the process.
        let mapped =
            unsafe { rustix::mm::mmap(std::ptr::null_mut(), page::SIZE, protection, MapFlags::SHARED, memory, 0) }?;
        let page = NonNull::new(mapped.cast()).map(Self).ok_or(Errno::NOMEM)?;
        Ok(Box::leak(Box::new(page)))
    }

    /// An evaluation is about to reach the code. A page of memory costs a store, where a message would cost a system call.
    pub(crate) fn begins(&self, id: EvalId) {
        self.word(page::BEGUN).store(id.0, Ordering::Relaxed);
    }

    /// Whether the host wants this evaluation to end.
    pub(crate) fn is_interrupted(&self, id: EvalId) -> bool {
        self.word(page::INTERRUPTS + 8 * page::slot(id)).load(Ordering::Relaxed) == id.0
    }

    fn word(&self, offset: usize) -> &AtomicU64 {
        debug_assert!(offset + 8 <= page::GATHERED && offset.is_multiple_of(8), "it is one of the numbers");
        #[expect(unsafe_code, reason = "shared memory with the host")]
        // SAFETY: within the mapping, which is never unmapped.
        let word = unsafe { self.0.add(offset) };
        #[expect(unsafe_code, reason = "shared memory with the host")]
        // SAFETY: the mapping starts at a page, so that this is aligned; nobody uses these bytes otherwise.
        unsafe {
            word.cast().as_ref()
        }
    }
}

/// The part of the page that holds what was gathered. There is one, and it alone writes there.
pub(super) struct Gathered {
    page: &'static Page,
    length: usize,
    /// How many bytes were written to the channel before those.
    position: u64,
}

impl Gathered {
    pub(super) const fn new(page: &'static Page) -> Self {
        Self { page, length: 0, position: 0 }
    }

    /// Keeps bytes that are to be written after all that were gathered or written before. False where there is no room.
    pub(super) fn keep(&mut self, bytes: &[u8]) -> bool {
        if bytes.len() > page::GATHERED_ROOM - self.length {
            return false;
        }
        #[expect(unsafe_code, reason = "shared memory with the host")]
        // SAFETY: within the mapping, as there is room.
        let room = unsafe { self.page.0.add(page::GATHERED + self.length) };
        #[expect(unsafe_code, reason = "shared memory with the host")]
        // SAFETY: there is room for all of them, and nobody else in this process touches it.
        unsafe {
            room.copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len());
        }
        self.length += bytes.len();
        // The host reads when the process is gone, and finds what was stored before this.
        self.page.word(page::GATHERED_LENGTH).store(self.length as u64, Ordering::Release);
        true
    }

    /// So many bytes were written, among them all that were gathered.
    pub(super) fn written(&mut self, count: usize) {
        self.position += count as u64;
        self.length = 0;
        self.page.word(page::GATHERED_LENGTH).store(0, Ordering::Release);
        self.page.word(page::GATHERED_FROM).store(self.position, Ordering::Release);
    }
}
