//! How a function is named across processes of the same program, without anybody registering it.
//!
//! For each function that is called somewhere, the compiler makes an [`Entry`]: a constant of the program that holds a mark and
//! a pointer to the code that decodes arguments, calls, and encodes the result. The function's name is the distance of
//! that constant from the start of the program's image.
//!
//! Why this is sound, and what it rests on:
//!
//! * *Both processes run the same file.* The host starts `/proc/self/exe`, and the worker process compares the
//!   [build identity](super::build) before it takes a call. The kernel refuses to write to a file that is being executed.
//!   The same file has the same constants at the same distances, wherever address space randomization puts the image.
//! * *The pointer is the loader's.* It was never sent: it is read from this process's own relocated constant. A number that
//!   names no entry is refused: it must be aligned, within the image, and find 128 random bits there, followed by a pointer
//!   into the program's text. Only a program that puts all that into its own image on purpose gets past it.
//! * *The function itself has no data.* Its type has no size (checked by the compiler), so that a value of it can be made
//!   from nothing. It follows that a closure that captures a value without a size, such as a token that proves an
//!   initialization, finds that value in the worker process too, where it proves nothing.
//! * *The function is in the main program.* The image is what the linker's `__executable_start` and `_end` enclose. The host
//!   refuses a function of a shared library, whose place in another process is anybody's guess.

use std::ptr::{self, NonNull};

use oast_actors::Raised;

use super::{Arguments, Callable};
use crate::wire::{Encoded, decode_arguments, encode_arguments};

const _: () = assert!(size_of::<Entry>() == 3 * size_of::<usize>(), "Oast needs words of 64 bits");

/// What is found at the place that names a function: three words.
#[repr(C)]
pub(crate) struct Entry {
    mark: [u64; 2],
    run: fn(Encoded) -> Result<Encoded, Raised>,
}

/// Random, and used for nothing else.
const MARK: [u64; 2] = [0x9d1f_53c7_06ae_82b4, 0x4be2_718d_f390_c65a];

#[expect(unsafe_code, reason = "the linker tells where the program's image is")]
// SAFETY: the linker defines them for every executable, and only their addresses are used.
unsafe extern "C" {
    static __executable_start: u8;
    static _etext: u8;
    static _end: u8;
}

/// Carries the type of a function into a constant.
struct EntryOf<F, A>(F, A);

impl<F: Callable<A>, A: Arguments> EntryOf<F, A> {
    const ENTRY: &'static Entry = &Entry { mark: MARK, run: run::<F, A> };
}

impl Entry {
    /// The entry of a function.
    pub(crate) fn of<F, A>(_function: F) -> &'static Self
    where
        F: Callable<A>,
        A: Arguments,
    {
        const {
            assert!(size_of::<F>() == 0, "a function that runs in a worker process cannot capture anything");
        }
        EntryOf::<F, A>::ENTRY
    }

    /// The place that names it; `None` when it is not in the main program.
    pub(crate) fn place(&'static self) -> Option<u64> {
        let place = ptr::from_ref(self).addr().checked_sub(start())?;
        (place < size()).then_some(place as u64)
    }

    /// What is at a place; `None` when it is not an entry.
    pub(crate) fn at(place: u64) -> Option<&'static Self> {
        let place = usize::try_from(place).ok()?;
        let within = place.checked_add(size_of::<Self>())? <= size();
        let entry = (&raw const __executable_start).wrapping_add(place).cast::<Self>();
        if !within || !entry.is_aligned() {
            return None;
        }
        #[expect(unsafe_code, reason = "a constant of this program is read by its place")]
        // SAFETY: the place is aligned and within the image of this program, of which any bytes are words.
        let [first, second, code] = unsafe { entry.cast::<[usize; 3]>().read_volatile() };
        let text = start()..(&raw const _etext).addr();
        if [first as u64, second as u64] != MARK || !text.contains(&code) {
            return None;
        }
        #[expect(unsafe_code, reason = "the mark and the pointer say that this is an entry")]
        // SAFETY: such bytes are in entries only (see the head of the file), and these are constants, valid for ever.
        Some(unsafe { &*entry })
    }

    /// Decodes the arguments, calls the function, and encodes the result.
    pub(crate) fn run(&self, arguments: Encoded) -> Result<Encoded, Raised> {
        (self.run)(arguments)
    }
}

fn start() -> usize {
    (&raw const __executable_start).addr()
}

/// How many bytes the image has.
fn size() -> usize {
    (&raw const _end).addr() - start()
}

fn run<F, A>(arguments: Encoded) -> Result<Encoded, Raised>
where
    F: Callable<A>,
    A: Arguments,
{
    let arguments = decode_arguments(arguments).map_err(|cause| raised("ArgumentsNotDecoded", &cause))?;
    #[expect(unsafe_code, reason = "a function that captures nothing is made from nothing")]
    // SAFETY: `Entry::of` has seen a value of `F`, so that there can be one, and has checked that it has no size: reading one
    // reads nothing. It is `Copy`, so that another one more or less means nothing.
    let function = unsafe { NonNull::<F>::dangling().read() };
    encode_arguments(&function.call(arguments)).map_err(|cause| raised("ResultNotEncoded", &cause))
}

fn raised(kind: &str, cause: &dyn std::error::Error) -> Raised {
    Raised { kind: kind.to_owned(), message: cause.to_string(), traceback: String::new() }
}
