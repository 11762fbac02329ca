//! Every limit of the server, with its reason.

use std::time::Duration;

/// Largest body of a request, in bytes. Lower refuses what Dataverse takes; higher lets one caller
/// hold more memory before anything is looked at.
pub const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

/// Largest body of a `$batch`, in bytes: 1,000 operations of 64 KiB each, which long prompts and
/// transcripts reach. Higher lets one caller hold more memory.
pub const MAX_BATCH_BYTES: usize = 64 * 1024 * 1024;

/// Most bytes of the answers of one `$batch`; requests beyond are refused. Together with the limit
/// of a page it bounds what one caller's reads hold in memory.
pub const MAX_BATCH_ANSWER_BYTES: usize = 256 * 1024 * 1024;

/// Most reads of a `$batch` that go to the store at once. They share a snapshot; more would hold
/// more pages in memory before [`MAX_BATCH_ANSWER_BYTES`] is looked at.
pub const MAX_READS_AT_ONCE: usize = 64;

/// Most bytes of all bodies that are being received or worked on, in KiB. It bounds the memory that
/// all callers together can hold; lower makes big batches wait for one another.
pub const MAX_BODIES_KIB: u32 = 512 * 1024;

/// Bodies up to this size, in KiB, don't wait for their share of [`MAX_BODIES_KIB`]: a beat or a
/// small batch must get through while slow senders hold all of it. The number of connections bounds
/// what they take together, to 32 MiB.
pub const SMALL_BODY_KIB: u32 = 64;

/// Longest address of a request, in bytes, as in Dataverse.
pub const MAX_URL_BYTES: usize = 32 * 1024;

/// Longest address of a request inside a `$batch`, in bytes, as in Dataverse.
pub const MAX_BATCH_URL_BYTES: usize = 64 * 1024;

/// Most rows of a page, as in Dataverse; also the page size when none is asked for.
pub const MAX_PAGE_ROWS: u32 = 5000;

/// Highest count that `$count` tells, as in Dataverse: counting further would cost what it saves.
pub const MAX_COUNT: u64 = 5000;

/// Most rows of one bulk message. Dataverse has no hard limit and suggests 1,000; more would hold
/// the writer for all others.
pub const MAX_BULK_ROWS: usize = 1000;

/// Most bytes of a request's head (line and headers). It must hold the longest address.
pub const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Most headers of a request. Real clients send about 20.
pub const MAX_HEADERS: usize = 64;

/// How long a client may take to send its head, and how long an idle connection is kept for the
/// next request (the server's library has one timer for both). Shorter cuts off workers between two
/// beats 30 s apart; longer lets idle connections fill the allowance.
pub const HEAD_OR_IDLE: Duration = Duration::from_secs(90);

/// How long a client may take for the head of the first request on a connection.
pub const FIRST_HEAD: Duration = Duration::from_secs(10);

/// How long a TLS handshake may take.
pub const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long a client may take to send the whole body. A 64 MiB body needs 1.1 MiB/s for that, which
/// any local or office network has.
pub const BODY: Duration = Duration::from_secs(60);

/// How long a client may take to accept any bytes of an answer before it is given up.
pub const WRITE_STALL: Duration = Duration::from_secs(30);

/// How long a request for changes waits for one. Shorter means more requests from idle callers,
/// longer runs into proxies that cut at 30 s.
pub const LONG_POLL: Duration = Duration::from_secs(25);

/// How long open requests get to finish once the server stops.
pub const DRAIN: Duration = Duration::from_secs(5);

/// Most connections at once. Each costs about 20 KiB when idle and a file descriptor, of which many
/// systems allow 1,024.
pub const MAX_CONNECTIONS: usize = 512;
