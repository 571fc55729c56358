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

/// Most bytes on the heap at once, beside the text itself, while the text is read.
fn peak_of(text: &str) -> usize {
    let before = NOW.load(Ordering::SeqCst);
    PEAK.store(before, Ordering::SeqCst);
    let _ = std::hint::black_box(parse(text.as_bytes()));
    PEAK.load(Ordering::SeqCst) - before
}

/// As many whole lines as fit between head and tail in the largest file.
fn fill(head: &str, line: impl Fn(usize) -> String, tail: &str) -> String {
    let mut text = String::from(head);
    for number in 0.. {
        let next = line(number);
        if text.len() + next.len() + tail.len() > MAX_BYTES {
            break;
        }
        text.push_str(&next);
    }
    text.push_str(tail);
    text
}

const ZONES: &str = "[zone.wan]\nslot = 0\naddress = \"dhcp\"\n\
                     [zone.dmz]\nslot = 1\naddress = \"10.99.0.1/24\"\n";

#[test]
fn the_largest_files_are_read_in_bounded_memory() {
    let rule = |number: usize| {
        let (high, low) = (number / 250, number % 250 + 1);
        format!(
            "{{src=\"203.0.{high}.{low}\",service=\"tcp/{}\",action=\"drop\"}},\n",
            1000 + number
        )
    };
    let address = |number: usize| format!("\"10.{}.{}.9\",", number / 250, number % 250);
    let rules = fill("version = 1\nrule = [\n", rule, &format!("]\n{ZONES}"));
    let set = fill(&format!("version = 1\n{ZONES}[set]\nx = ["), address, "]\n");
    let brackets = fill("version = 1\nx = [", |_| "[],".into(), "]\n");
    let numbers = fill("version = 1\nx = [", |_| "1,".into(), "]\n");
    let tables = fill("version = 1\n", |number| format!("[a.b{number}]\n"), "");
    let dotted = fill("version = 1\nx = [", |_| "{a.b.c.d.e.f.g=1},".into(), "]\n");
    for (name, text) in [
        ("rules", rules),
        ("set", set),
        ("brackets", brackets),
        ("numbers", numbers),
        ("tables", tables),
        ("dotted", dotted),
    ] {
        println!(
            "{name}: {} KiB of text, {} KiB of heap",
            text.len() / 1024,
            peak_of(&text) / 1024
        );
    }
}
