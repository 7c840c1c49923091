//! Frames, protocol versions, bincode: the only place that knows bytes. Owns the messages that cross a control channel and
//! their layout; must not know sockets, processes, runtimes or languages. Read [`Outgoing`] and [`Decoder`] next.
//!
//! What follows is the whole protocol, for a stranger who writes a worker in another language. The files under
//! `tests/fixtures/wire/` hold one example of each frame, byte for byte.
//!
//! # The channel
//!
//! The control channel is an inherited `AF_UNIX` stream socketpair. Both ends send frames; nothing else crosses it: what the
//! code prints goes through pipes, and what cannot wait in a queue lies in the shared memory of the [`page`]. A worker process first sends `Hello`. A frame that breaks a rule below ends the channel.
//!
//! # A frame
//!
//! All integers are little-endian.
//!
//! | offset | type | what |
//! |---|---|---|
//! | 0 | `u32` | `length`: how many bytes follow these four, at least 16. It must not be over the limit that the host set |
//! | 4 | `u8` | protocol version: 1 |
//! | 5 | `u8` | kind, see below |
//! | 6 | `u16` | 0 |
//! | 8 | `u32` | `body_length`, at most `length - 16` |
//! | 12 | `u64` | the evaluation's id, from 1; 0 where the kind has none |
//! | 20 | bytes | body |
//! | 20 + `body_length` | bytes | payload: bulk bytes, to the end of the frame |
//!
//! # Kinds
//!
//! | kind | from → to | name | id | body |
//! |---|---|---|---|---|
//! | 1 | host → worker | `Evaluate` | yes | `Request` |
//! | 2 | host → worker | `Interrupt` | yes | empty. Naming an evaluation that ended, or never was, does nothing. The [`page`] has named it before |
//! | 3 | host → worker | `Reset` | 0 | empty. Drop all state, end all evaluations as interrupted, then send `ResetDone` |
//! | 4 | host → worker | `Channel` | 0 | `text` name, `ChannelMessage` |
//! | 5 | host → worker | `Shutdown` | 0 | empty. Leave when the evaluations that have begun have ended |
//! | 16 | host → launcher | `Launch` | 0 | `Launch` |
//! | 17 | host → launcher | `WarmUp` | 0 | `TemplateSettings`: become a template |
//! | 18 | host → template | `Fork` | 0 | nothing; three descriptors come along, the standard ones of a launcher |
//! | 19 | host → launcher | `Probe` | 0 | nothing: try to enter all namespaces |
//! | 20 | host → template | `Retire` | 0 | nothing: leave, while the host lives on |
//! | 32 | worker → host | `Hello` | 0 | `text` runtime, `Capabilities`, `BuildId` |
//! | 33 | worker → host | `Suspended` | yes | empty. The evaluation waits, and others may run |
//! | 34 | worker → host | `Replied` | yes | `Reply`, `u64` stdout end, `u64` stderr end: how many bytes the runtime itself wrote to each pipe so far |
//! | 35 | worker → host | `Printing` | yes, or 0 | `Stream`, `u64` position: from there on the stream's bytes are this evaluation's; 0: nobody's |
//! | 36 | worker → host | `Channel` | 0 | as kind 4 |
//! | 37 | worker → host | `ResetDone` | 0 | empty |
//! | 48 | launcher → host | `Born` | 0 | `u32` process id, `u32` that of the first process of its namespace, or 0 |
//! | 49 | launcher → host | `Ended` | 0 | `ExitStatus`, `u64` peak memory in bytes, `u64` CPU time in µs, `u64` how often the kernel ended something of it for memory |
//! | 50 | launcher → host | `Failed` | 0 | `text` step, `i32` errno or 0, `text` what went wrong |
//! | 51 | template → host | `Warm` | 0 | nothing |
//! | 52 | template → host | `Forked` | 0 | `u32` process id of the launcher |
//! | 53 | launcher → host | `Probed` | 0 | `i32` errno, or 0 where they could be entered |
//!
//! # Types of the body
//!
//! The layout is bincode's with fixed-width little-endian integers (`bincode::config::legacy()`, the default of bincode 1).
//! Fields follow one another in the order given here, without names, tags or padding. A body is used up exactly, and so is
//! the payload.
//!
//! | type | layout |
//! |---|---|
//! | `bool` | `u8` 0 or 1 |
//! | `text` | `u64` length, that many bytes of UTF-8 |
//! | `option T` | `u8` 0, or `u8` 1 and T |
//! | `list T` | `u64` count, that many T |
//! | an enum | `u32` number of the variant, then its fields |
//! | `duration` | `u64` seconds, `u32` nanoseconds |
//! | `data` | enum: 0 `Inline` (`u64` length, the bytes); 1 `Payload` (`u64` length: the next so many bytes of the payload, in the order in which the body names them). Which of the two is the sender's choice; bytes from 512 on are best in the payload |
//! | `Value` | enum, nested at most 128 deep: 0 `Null`; 1 `Bool` (`bool`); 2 `Int` (`i64`); 3 `BigInt` (`text`: decimal digits, perhaps after `-`); 4 `Float` (`f64`); 5 `Text` (`text`); 6 `Bytes` (`data`); 7 `List` (`list Value`); 8 `Map` (`u64` count, that many pairs of `Value`); 9 `Array` (`Element`, `data`); 10 `Date` (`f64`: ms since 1970); 11 `Handle` (`u64` id, `text` kind, `text` text) |
//! | `Element` | enum: 0 `I8`, 1 `U8`, 2 `U8Clamped`, 3 `I16`, 4 `U16`, 5 `I32`, 6 `U32`, 7 `I64`, 8 `U64`, 9 `F32`, 10 `F64` |
//! | `Request` | `Job`, `bool` fetch: whether the value travels back |
//! | `Job` | enum: 0 `Code` (`text` source, `text` name, `bool` module, `list text` arguments); 1 `Call` (`u64` function, `data` arguments, `list data` attachments) |
//! | `Reply` | `Result`, `option text` text, `Usage` |
//! | `Result` | enum: 0 `Value` (`Value`); 1 `Raised` (`text` kind, `text` message, `text` traceback); 2 `Interrupted`; 3 `Unsupported`; 4 `Withdrawn`: it was interrupted before it reached the code |
//! | `Usage` | `duration` wall, `duration` CPU, `option u64` memory in bytes |
//! | `Stream` | enum: 0 `Stdout`, 1 `Stderr` |
//! | `ChannelMessage` | enum: 0 `Open` (`u32` capacity); 1 `Put` (`Value`); 2 `Taken` (`u32`); 3 `Close` |
//! | `Capabilities` | `bool` interleaves, `bool` interrupts, `bool` resets, `bool` evaluates, `bool` calls, `u32` ahead |
//! | `BuildId` | five `u64`: device, inode, size and modification time (ns) of the program, version of Oast; all 0 for a worker that is another program |
//! | `ExitStatus` | enum: 0 `Code` (`i32`), 1 `Signal` (`i32`) |
//! | `Launch` | `text` worker, `u64` epoch, `RuntimeSettings`, `u64` message limit, `bool` low latency, `ResourceLimits`, `Confinement`, `Groups` |
//! | `RuntimeSettings` | `text` name, `BuildId`, `JavaScript`, `list text` command and `list text` preload: the first is empty where this program is the runtime; otherwise what is executed then, with the control channel, the [`page`] and the file of its shim as the descriptors 3, 4 and 5 |
//! | `TemplateSettings` | `RuntimeSettings`, `ResourceLimits`, `Confinement`, `Groups` whose names begin like those of its forks |
//! | `ResourceLimits` | `option u64` open files, `option u64` file size, `option u64` data, `u64` core, `u64` stack |
//! | `Confinement` | `bool` privileges, `bool` files, `bool` network, `bool` system calls: each withheld or not; `bool` directory: readable all the same; `u64` bytes of files of its own; `option u64` processes, `list text` required mechanisms |
//! | `Groups` | directories of control groups: `option text` memory, `option text` processes, `option text` processor, `option text` tree; `bool` whether they are one, of version 2; `bool` whether the host has another use for them |
//! | `JavaScript` | `option u64` memory in bytes, `option u64` stack in bytes, `bool` modules |
//!
//! # Changes
//!
//! The wire is append-only: a new kind, variant or field comes last, and brings a new protocol version.

mod arguments;
mod blob;
mod body;
mod decode;
mod encode;
mod incoming;
mod messages;
mod outgoing;
pub(crate) mod page;
mod value;

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod round_trip_tests;

pub(crate) use arguments::{Encoded, decode_arguments, encode_arguments};
pub use blob::Blob;
pub(crate) use incoming::{Decoder, WireError};
pub(crate) use messages::{
    BuildId, Confinement, FromLauncher, FromWorker, Groups, Hello, JavaScript, Launch, Message, Replied,
    ResourceLimits, RuntimeSettings, TemplateSettings, ToLauncher, ToWorker,
};
pub(crate) use outgoing::{EncodeError, Outgoing};

/// The protocol version that this program speaks.
pub(crate) const VERSION: u8 = 1;

/// How deep values may nest. It keeps a hostile frame from exhausting the stack of whoever decodes it.
pub(crate) const MAX_DEPTH: u32 = 128;

/// How many bytes a frame has before its body.
const PREFIX: usize = 20;

/// How many of those its `length` counts.
const COUNTED_PREFIX: usize = PREFIX - 4;

/// Bytes from this length on travel in the payload.
const PAYLOAD_FROM: usize = 512;

/// Integers are little-endian and of fixed width. There is no limit here because bincode's is a constant: [`body`] has its own.
const LAYOUT: Layout = bincode::config::legacy();

type Layout =
    bincode::config::Configuration<bincode::config::LittleEndian, bincode::config::Fixint, bincode::config::NoLimit>;
