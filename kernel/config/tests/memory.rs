//! How much memory the largest configuration takes while it is read: the
//! kernel does that in a machine of 16 MiB.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use sekisho_config::{MAX_BYTES, parse};

/// Counts what is allocated now and what was at most.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn grown(bytes: usize) {
    let now = NOW.fetch_add(bytes, Ordering::SeqCst) + bytes;
    PEAK.fetch_max(now, Ordering::SeqCst);
}

// SAFETY: every call is passed on unchanged to the system's allocator, which keeps the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`, which is the same there.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::SeqCst);
        // SAFETY: the pointer came from `System` through `alloc` above, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Most bytes on the heap at once, beside the text itself, while the text is read, and
/// whether it was refused.
fn peak_of(text: &str) -> (usize, bool) {
    let before = NOW.load(Ordering::SeqCst);
    PEAK.store(before, Ordering::SeqCst);
    let result = std::hint::black_box(parse(text.as_bytes()));
    (PEAK.load(Ordering::SeqCst) - before, result.is_err())
}

/// As many lines as fit between head and tail in a file of at most `most` bytes.
fn fill(most: usize, head: &str, line: impl Fn(usize) -> String, tail: &str) -> String {
    let mut text = String::from(head);
    for number in 0.. {
        let next = line(number);
        if text.len() + next.len() + tail.len() > most {
            break;
        }
        text.push_str(&next);
    }
    text.push_str(tail);
    text
}

/// What reading a file may take, in bytes.
const MOST_HEAP: usize = 5 << 20;

const ZONES: &str = "[zone.wan]\nslot = 0\naddress = \"dhcp\"\n\
                     [zone.dmz]\nslot = 1\naddress = \"10.99.0.1/24\"\n";

#[test]
fn the_largest_files_are_read_in_bounded_memory() {
    for (name, text, refused) in largest_files() {
        let (peak, is_refused) = peak_of(&text);
        println!(
            "{name}: {} KiB of text, {} KiB of heap",
            text.len() / 1024,
            peak / 1024
        );
        assert!(peak <= MOST_HEAP, "{name} takes {peak} bytes");
        assert_eq!(is_refused, refused, "{name}");
    }
}

/// Files of the largest size, honest and hostile; whether each is refused.
fn largest_files() -> Vec<(&'static str, String, bool)> {
    let rule = |number: usize| {
        let (high, low) = (number / 250, number % 250 + 1);
        let port = 1000 + number;
        format!("{{src=\"203.0.{high}.{low}\",service=\"tcp/{port}\",action=\"drop\"}},\n")
    };
    let address = |number: usize| format!("\"10.{}.{}.9\",", number / 250, number % 250);
    let user = |number: usize| format!("{{src=\"@x\",action=\"drop\"}},#{number}\n");
    let many = (0..8000).map(address).collect::<String>();
    let set = format!("{ZONES}[set]\nx = [{many}]\n");
    let pairs = |number: usize| format!("{number},");
    vec![
        (
            "rules",
            fill(
                MAX_BYTES,
                "version=1\nrule=[\n",
                rule,
                &format!("]\n{ZONES}"),
            ),
            false,
        ),
        (
            "set",
            fill(
                MAX_BYTES,
                &format!("version=1\n{ZONES}[set]\nx=["),
                address,
                "]\n",
            ),
            false,
        ),
        (
            "set-in-all-rules",
            fill(MAX_BYTES, "version=1\nrule=[\n", user, &format!("]\n{set}")),
            true,
        ),
        (
            "numbers",
            fill(MAX_BYTES, "version=1\nx=[", pairs, "]\n"),
            true,
        ),
        (
            "short-numbers",
            fill(98_000, "version=1\nx=[", |_| "1,".into(), "]\n"),
            true,
        ),
        (
            "brackets",
            fill(98_000, "version=1\nx=[", |_| "[],".into(), "]\n"),
            true,
        ),
        (
            "too-many-brackets",
            fill(MAX_BYTES, "version=1\nx=[", |_| "[],".into(), "]\n"),
            true,
        ),
        (
            "tables",
            fill(
                MAX_BYTES,
                "version=1\n",
                |number| format!("[a.b{number}]\n"),
                "",
            ),
            true,
        ),
        (
            "dotted",
            fill(
                98_000,
                "version=1\nx=[",
                |_| "{a.b.c.d.e.f.g=1},".into(),
                "]\n",
            ),
            true,
        ),
        (
            "escapes",
            fill(MAX_BYTES, "version=1\nx=[", |_| "\"\\t\",".into(), "]\n"),
            true,
        ),
        (
            "errors",
            fill(MAX_BYTES, "version=1\nrule=[", |_| "{},".into(), "]\n"),
            true,
        ),
    ]
}
