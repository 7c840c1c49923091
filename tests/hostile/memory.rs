//! Programs that want more memory than they may have, of every kind that there is.

use oast::config::Profile;

use super::{
    Row,
    program::Program::{C, JavaScript, Script},
    program::source,
    promised_by, row,
    told::{
        NO_ROOM,
        Told::{MemoryLimit, OneOf, Raised, Stopped, Through},
    },
};

/// With groups of version 1, the kernel ends one process before the guard ends all of them, and whoever started that one may
/// say so first.
const ENDED_OR_TOLD: &[super::Told] = &[MemoryLimit, Raised("signal 9")];

/// The kernel refuses the memory, or ends whoever has it.
const REFUSED_OR_ENDED: &[super::Told] = &[MemoryLimit, Raised("signal 9"), Stopped(&[libc::ENOMEM])];

fn trusted_with_a_limit(profile: &mut Profile) {
    let limits = profile.limits.clone();
    *profile = Profile { limits, ..Profile::trusted() };
}

pub(super) fn rows() -> Vec<Row> {
    vec![
        row(1, "allocates small blocks for ever", C(source!("small_blocks.c")), OneOf(REFUSED_OR_ENDED)),
        row(
            1,
            "allocates for ever in javascript",
            JavaScript("const all = []; for (;;) all.push({ all })"),
            Raised("out of memory"),
        ),
        row(2, "maps ten gigabytes of its own", C(source!("private_memory.c")), Stopped(&[libc::ENOMEM])),
        row(2, "touches ten gigabytes that could be shared", C(source!("shared_memory.c")), OneOf(ENDED_OR_TOLD)),
        row(3, "reserves a terabyte and touches nothing", C(source!("reserved_addresses.c")), Through),
        row(3, "maps a terabyte and touches nothing", C(source!("writable_addresses.c")), Through)
            .under(trusted_with_a_limit),
        row(4, "shares too much among its children", C(source!("children.c")), OneOf(ENDED_OR_TOLD)),
        row(5, "fills shared memory by name", C(source!("shared_files.c")), OneOf(&[NO_ROOM, MemoryLimit])),
        row(6, "fills files without a name", C(source!("nameless_files.c")), OneOf(ENDED_OR_TOLD)).needs(&["cgroups"]),
        row(
            7,
            "fills thousands of pipes",
            C(source!("pipes.c")),
            OneOf(&[Stopped(&[libc::EMFILE, libc::EPERM]), MemoryLimit]),
        ),
        row(8, "leaves memory of system v behind", C(source!("system_v.c")), Through).needs(&["user-namespaces"]),
        row(9, "writes to what its children inherited", C(source!("inherited.c")), OneOf(ENDED_OR_TOLD)),
        // Without groups, what several processes share is counted for each.
        row(9, "has children that only read what they inherited", C(source!("inherited_to_read.c")), Through)
            .needs(&["cgroups"]),
        row(10, "reads a file that is far larger", C(source!("large_file.c")), Through),
        row(
            11,
            "locks memory and wants huge pages",
            C(source!("locked_memory.c")),
            OneOf(&[Stopped(&[libc::EAGAIN, libc::EPERM, libc::ENOMEM]), MemoryLimit]),
        ),
        row(11, "populates memory at once", C(source!("populated_memory.c")), OneOf(ENDED_OR_TOLD)),
        // The program that was refused leaves with 1, and one that was ended is told by the shell as 137.
        row(
            12,
            "unfolds four gigabytes into memory",
            Script("sh", source!("bomb.sh")),
            OneOf(&[MemoryLimit, Stopped(&[1, 137])]),
        ),
        row(12, "unfolds four gigabytes into python", Script("python3", source!("bomb.py")), OneOf(REFUSED_OR_ENDED)),
        // Where it cannot open the file, a shell leaves with 2; where a limit of files ended the program, with 153.
        row(
            12,
            "unfolds four gigabytes onto the disk",
            Script("sh", source!("bomb_to_disk.sh")),
            OneOf(&[Stopped(&[1, 2, 153]), MemoryLimit]),
        ),
        promised_by(13, "grows while it is idle", &["limits::memory_that_grows_in_idleness_ends_the_process"]),
        promised_by(
            14,
            "is there when the machine is out of memory",
            &["walls::worker_processes_go_before_their_host_where_a_machine_is_out_of_memory"],
        ),
    ]
}
